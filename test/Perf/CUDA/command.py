"""The command line that these measurements share, so that each names only what is its own."""

import argparse
import os
import sys


def parser(description):
    """`make ROUTEC FOLDER` and `run FOLDER`: the parser, and that of `run`, for options."""
    whole = argparse.ArgumentParser(description=description.splitlines()[0])
    commands = whole.add_subparsers(dest="command", required=True)
    make = commands.add_parser("make")
    make.add_argument("routec")
    make.add_argument("folder")
    run = commands.add_parser("run")
    run.add_argument("folder")
    return whole, run


def main(whole, make, run):
    """Does what the command line says, make(routec, folder) or run(options), which gives how many results are wrong."""
    options = whole.parse_args()
    if options.command == "make":
        make(options.routec, options.folder)
        return
    import torch
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.append(os.path.join(here, "../../Target/CUDA/Device"))
    print(torch.cuda.get_device_name(), "torch", torch.__version__)
    sys.exit(1 if run(options) else 0)
