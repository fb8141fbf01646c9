// The grammar of the Route language: how a .route file becomes a parse tree.
//
// Every decision is made on one or two tokens, so parsing takes linear time.
// Three things are settled before the parser sees a token, by Words.cpp:
//   - a word that could be a keyword or a name becomes one of them, by its
//     neighbours (most keywords can therefore name a column);
//   - a number and its unit (`5 ms`, `$5/Mtok`) become one NUMBER;
//   - a sign that means one thing after an operand and another elsewhere gets two
//     tokens: '(' and '[' call and index, '{' is a body, GROUP_PAREN,
//     GROUP_BRACKET and GROUP_BRACE begin something; '+' and '-' join, PREFIX_PLUS and PREFIX_MINUS are signs. On a
//     new line '(' and '[' begin something, '+' and '-' go on.
// Operators stand in flat lists here; the tree builder knows their precedence.
// Braces hold statements or entries and are told apart by where they stand.
grammar Route;

tokens { GROUP_PAREN, GROUP_BRACKET, GROUP_BRACE, PREFIX_PLUS, PREFIX_MINUS, LIST_COMMA, PATH_DOT, POLICY }

// ---- Declarations ---------------------------------------------------------

topLevel : declaration EOF ;

declaration
  : importDecl | axisDecl | signalDecl | poolDecl | paramDecl | stateDecl | letDecl | routeDecl
  | useDecl | budgetDecl | notesDecl | requireDecl | onDecl | testDecl ;

importDecl : 'import' (STRING | path) ('as' ID)? importItems? ;
importItems : openBrace importItem (',' importItem)* ','? '}' ;
importItem : ID ('as' ID)? ;
path : ID ('.' ID)* ;

axisDecl : 'axis' axisItem (',' axisItem)* ;
axisItem : ID ('=' arith)? ('in' ID)? columnBraces? ;

columnBraces : openBrace (column (',' column)* ','?)? '}' ;
columns : column (',' column)* ;
column : 'trusted'? columnName (':' type)? ('=' expr)? ('stale' arith ('else' expr)?)? ('from' STRING)? ;
columnName : ID | 'none' ;
budgets : arith (LIST_COMMA arith)* ;
parameters : openParen columns? ','? ')' ;

signalDecl : 'signal' ID (',' ID)* (':' type)? ('=' expr)? ('timeout' arith)? ('else' expr)? ;

paramDecl : 'param' columns ;
stateDecl : 'state' columns ('max' arith POLICY?)? ;

letDecl : 'let' 'exact'? letItem (',' letItem)* ;
letItem : letTarget (':' type)? '=' expr answer? ;
answer : '->' type ('timeout' arith)? ;
letTarget : ID parameters? | openParen ID (',' ID)* ','? ')' ;

routeDecl : ('route' | 'router') ID axisParameters? parameters ('->' type)? ('under' budgets)? ('=' expr | braces) ;
axisParameters : openBracket ID (',' ID)* ','? ']' ;

useDecl : 'use' ID '=' expr ;
notesDecl : 'notes' columnBraces ;
requireDecl : 'require' cond ('where' cond)? ('else' expr)? ;
onDecl : 'on' ID (openParen (eventValue (',' eventValue)* ','?)? ')')? ('every' arith)? braces ;
eventValue : ID (':' type)? ;
testDecl : 'test' STRING ('of' ID)? braces ('->' expr)? ;

budgetDecl : 'budget' ID openBrace budgetClause* '}' ;
budgetClause
  : 'reserve' expr | 'charge' expr | 'per' arith | 'window' ID arith? | 'limit' expr | 'lease' arith | 'warn' arith ;

poolDecl : 'pool' ID poolSize? ('in' ID)? ('=' expr)? poolBraces? ;
poolSize : openBracket 'max'? arith ']' ;
poolBraces : openBrace poolItem* '}' ;
poolItem : attributes | bodyDecl | poolClause | member ','? | declaration ;
attributes : ('attr' | 'const' | 'live') columns ;
bodyDecl : 'body' ID parameters ('->' type)? ;
poolClause : 'index' arith | 'expire' arith | 'quota' arith ('per' arith)? | 'evict' ID ;
member : ID (openBracket arith ']')? ('=' expr)? braces? ;

// ---- Types ----------------------------------------------------------------

type : baseType '?'? ;
baseType
  : '$' ('/' ID)? dims?
  | path ('/' ID)? dims?
  | 'enum' (ID | openBrace (columnName (',' columnName)* ','?)? '}')
  | 'ref' baseType
  | 'set' baseType ('max' arith POLICY?)?
  | openBracket type ']'
  | columnBraces
  | openParen type (',' type)* ','? ')' ;
dims : '[' dim (',' dim)* ','? ']' ;
dim : NUMBER | path | 'dim' (NUMBER | ID ('=' arith)?) | openParen dim (',' dim)* ','? ')' ;

// ---- Statements -----------------------------------------------------------

braces : openBrace braceItem* '}' ;
literal : GROUP_BRACE braceItem* '}' ;
braceItem : columnName ':' expr ','? | columnPath ':' expr ','? | simple ','? | statement ;
columnPath : ID (PATH_DOT columnName)+ ;
body : simple | statement ;
simple : expr (assignOp expr answer?)? ;
statement
  : declaration
  | 'note' ID (openParen arguments ')')?
  | 'emit' ID '=' expr
  | 'keep' expressions
  | 'expect' expr ;
assignOp : '=' | '+=' | '-=' | '*=' | '/=' ;

// ---- Expressions ----------------------------------------------------------

expressions : expr (',' expr)* ;
expr : cond ('where' cond)* 'up'? ('with' braces)? ;
cond : 'not'* arith (condOp 'not'* arith)* ;
condOp : 'and' | 'or' | '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'subset' | 'at' ;
arith : operand (arithOp operand)* ;
arithOp : '+' | '-' | '++' | '*' | '/' | '@' | '^' | '??' | '..' ;
operand : (PREFIX_MINUS | PREFIX_PLUS | 'old')* (atom postfix* | form) ;
atom
  : ID | NUMBER | STRING | 'true' | 'false' | 'none' | 'unknown'
  | GROUP_PAREN (expr (',' expr)* ','?)? ')'
  | GROUP_BRACKET (entry (',' entry)* ','?)? ']' ;
entry : (columnName ':')? (bound arith | expr) ;
bound : '<' | '<=' | '>' | '>=' | '==' | '!=' ;
postfix
  : '.' columnName
  | '(' arguments ')'
  | '[' indexArg (',' indexArg)* ','? ']' ;
arguments : (argument (',' argument)* ','?)? ;
argument : (columnName ':')? expr ('over' arith)? ('of' cond)? ('per' arith)? ;
indexArg : (columnName ':')? expr ('as' ID)? ;

form : literal | ifForm | caseForm | chooseForm | forForm | callForm | parForm | returnForm ;
ifForm : 'if' expr (braces ('else' (ifForm | braces))? | 'then' expr 'else' expr) ;
caseForm : 'case' expr (armBraces | '->' expr (expr '->' expr)* 'otherwise' '->' expr) ;
armBraces : openBrace arm* '}' ;
arm : (expr | 'otherwise') '->' body ;
chooseForm : 'choose' count chooseClause* ('else' expr)? ;
count : 'all' | 'first' | 'until' cond | 'listed' arith | 'path' arith '->' arith | arith ;
chooseClause
  : 'of' cond | 'per' arith | 'where' cond | 'under' budgets | 'by' cond 'up'?
  | 'weight' cond (':' type)? | '{' ruleDecl+ '}' ;
ruleDecl : ('rule' ID (openParen arguments ')')? ('when' expr)? | 'when' expr | 'otherwise') '->' expr ;
forForm : 'for' cond forClause* braces ;
forClause : 'by' cond 'up'? | 'carry' openParen carried (',' carried)* ','? ')' | 'until' cond ;
carried : ID '=' expr ;
callForm : 'call' atom postfix* ('timeout' arith)? ;
parForm : 'par' arith braces ('need' arith)? ;
returnForm : 'return' expr ;

openParen : '(' | GROUP_PAREN ;
openBracket : '[' | GROUP_BRACKET ;
openBrace : '{' | GROUP_BRACE ;

// ---- Words ----------------------------------------------------------------

ALL : 'all' ;            AND : 'and' ;          AS : 'as' ;            AT : 'at' ;
ATTR : 'attr' ;          AXIS : 'axis' ;        BODY : 'body' ;        BUDGET : 'budget' ;
BY : 'by' ;              CALL : 'call' ;        CARRY : 'carry' ;      CASE : 'case' ;
CHARGE : 'charge' ;      CHOOSE : 'choose' ;    CONST : 'const' ;      DIM : 'dim' ;
ELSE : 'else' ;          EMIT : 'emit' ;        ENUM : 'enum' ;        EVERY : 'every' ;
EVICT : 'evict' ;        EXACT : 'exact' ;      EXPECT : 'expect' ;    EXPIRE : 'expire' ;
FALSE : 'false' ;        FIRST : 'first' ;      FOR : 'for' ;          FROM : 'from' ;
IF : 'if' ;              IMPORT : 'import' ;    IN : 'in' ;            INDEX : 'index' ;
KEEP : 'keep' ;          LEASE : 'lease' ;      LET : 'let' ;          LIMIT : 'limit' ;
LISTED : 'listed' ;      LIVE : 'live' ;        MAX : 'max' ;          NEED : 'need' ;
NONE : 'none' ;          NOT : 'not' ;          NOTE : 'note' ;        NOTES : 'notes' ;
OF : 'of' ;              OLD : 'old' ;          ON : 'on' ;            OR : 'or' ;
OTHERWISE : 'otherwise' ; OVER : 'over' ;       PAR : 'par' ;          PARAM : 'param' ;
PATH : 'path' ;          PER : 'per' ;          POOL : 'pool' ;        QUOTA : 'quota' ;
REF : 'ref' ;            REQUIRE : 'require' ;  RESERVE : 'reserve' ;  RETURN : 'return' ;
ROUTE : 'route' ;        ROUTER : 'router' ;    RULE : 'rule' ;        SET : 'set' ;
SIGNAL : 'signal' ;      STALE : 'stale' ;      STATE : 'state' ;      SUBSET : 'subset' ;
TEST : 'test' ;          THEN : 'then' ;        TIMEOUT : 'timeout' ;  TRUE : 'true' ;
TRUSTED : 'trusted' ;    UNDER : 'under' ;      UNKNOWN : 'unknown' ;  UNTIL : 'until' ;
UP : 'up' ;              USE : 'use' ;          WARN : 'warn' ;        WEIGHT : 'weight' ;
WHEN : 'when' ;          WHERE : 'where' ;      WINDOW : 'window' ;    WITH : 'with' ;

ID : [A-Za-z_] [A-Za-z_0-9]* '\''* | '`' [A-Za-z_] [A-Za-z_0-9]* '`' '\''* ;
// Scale and unit are checked later: a malformed one is an error of its own.
NUMBER : '$'? [0-9] [0-9_]* ('.' [0-9] [0-9_]*)? ([eE] [+\-]? [0-9]+)? [A-Za-z_0-9]* '%'? ;
STRING : '"' StringCharacter* '"' | 'r"' ~["\r\n]* '"' | 'r#"' RawCharacter* '"'+ '#' ;
fragment RawCharacter : ~["\r\n] | '"'+ ~["#\r\n] ;
fragment StringCharacter : ~["\\\r\n] | '\\' ~[\r\n] ;

// ---- Signs ----------------------------------------------------------------

LPAREN : '(' ;   RPAREN : ')' ;   LBRACKET : '[' ; RBRACKET : ']' ;  LBRACE : '{' ;   RBRACE : '}' ;
COMMA : ',' ;    COLON : ':' ;    DOT : '.' ;      RANGE : '..' ;    ARROW : '->' ;   DOLLAR : '$' ;
ASSIGN : '=' ;   ADD_TO : '+=' ;  SUB_FROM : '-=' ; MUL_BY : '*=' ;  DIV_BY : '/=' ;
PLUS : '+' ;     MINUS : '-' ;    CONCAT : '++' ;  STAR : '*' ;      SLASH : '/' ;    CONTRACT : '@' ;
POWER : '^' ;    QUESTION : '?' ; COALESCE : '??' ;
EQ : '==' ;      NE : '!=' ;      LT : '<' ;       LE : '<=' ;       GT : '>' ;       GE : '>=' ;

// ---- Between, and errors of the text ---------------------------------------

SPACE : [ \t\r\n]+ -> skip ;
LINE_COMMENT : '//' ~[\r\n]* -> channel(HIDDEN) ;
BLOCK_COMMENT : '/*' .*? '*/' -> channel(HIDDEN) ;
OPEN_COMMENT : '/*' (~'*' | '*'+ ~[*/])* '*'* EOF ;
OPEN_STRING : '"' StringCharacter* '\\'? | 'r"' ~["\r\n]* | 'r#"' RawCharacter* ;
UNEXPECTED : . ;
