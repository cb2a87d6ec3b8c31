/** Screening for SQL and for the operators of document stores. `words` are facts of MySQL, PostgreSQL, Oracle, SQLite. */
import { type ScreeningRule, words } from './screening-rule.ts';

/** Functions that are hardly words of a language: with a parenthesis, wherever they stand. */
const FUNCTIONS = words(`
  abs acos adddate addtime aes_decrypt aes_encrypt array_agg ascii asin atan atan2 avg benchmark bin bit_and bit_count
  bit_length bit_or bit_xor cast ceil ceiling char char_length character_length charindex chr coalesce coercibility
  collation compress concat concat_ws connection_id conv convert convert_tz cos cot count crc32 cur curdate current_date
  current_time current_timestamp current_user curtime database database_to_xml date_add date_format date_sub datediff
  dayname dayofmonth dayofweek dayofyear dbms_pipe dbms_pipe\\.receive_message dbms_utility decode default degrees
  des_decrypt des_encrypt dump elt encode encrypt exp export_set extract extractvalue field find_in_set floor
  found_rows from_base64 from_days from_unixtime generate_series get_format get_lock getdate glob greatest group_concat
  hex if ifnull iif in inet6_aton inet6_ntoa inet_aton inet_ntoa insert instr interval is_free_lock is_srvrolemember
  isdate isnull isnumeric json json_array json_extract json_keys json_object json_valid julianday last last_day
  last_insert_id lcase least left length likelihood likely linestring ln load_extension load_file localtime
  localtimestamp locate log log10 log2 lower lpad ltrim make_set makedate maketime master_pos_wait max md5
  microsecond mid min mod monthname multipoint name_const newid now nullif nvl oct octet_length old_password ord
  password patindex period_add period_diff pg_client_encoding pg_ls_dir pg_read_file pg_sleep pi pg_stat_file polygon
  position pow power printf procedure_analyse quarter quote radians raise_error rand random randomblob rawtohex
  rawtonhextoraw regexp_like regexp_replace release_lock repeat replace replicate reverse round row_count rpad rtrim
  schema sec_to_time session_user sha sha1 sha2 sign sin sleep soundex sp_execute space sqlite_compileoption_get
  sqlite_version sqrt st_asbinary std stddev stddev_pop str_to_date strcmp strftime string_agg subdate substr substring
  substring_index subtime sum sys_context sys_eval sysdate system_user tan time_format time_to_sec timediff timestamp
  timestampadd timestampdiff to_base64 to_char to_days to_nchar to_number to_seconds total_changes trim truncate typeof
  ucase uncompress uncompressed_length unhex unicode unistr unix_timestamp unlikely updatexml upper utc_date utc_time
  user uuid uuid_short values var_pop var_samp variance version waitfor weekday weekofyear weight_string xmltype yearweek
  xpath zeroblob utl_http\\.request utl_inaddr\\.get_host_address`);

const TABLES = words(`
  information_schema pg_catalog pg_user pg_shadow mysql\\.user mysql\\.db mysql\\.host mysql\\.innodb_index_stats
  sysobjects syscolumns sysusers sys\\.user_tables sys\\.all_tables all_tables user_tables user_tab_columns
  user_ind_columns user_objects user_constraints user_users user_password usertable all_objects msysaces msysobjects
  msysqueries msysrelationships msyscolumns msyscolumn msysaccessobjects db_name sqlite_master sqlite_temp_master sysconstraints tempdb msdb northwind
  master\\.\\.sysdatabases database_principals attrelid atttypid attnotnull schema_name mb_users xtype pg_class pg_attribute
  constraint_type xp_\\w{3,30} sp_\\w{3,30} substrb textpos object_id object_name object_type column_name column_id table_name
  rownum mysql \\$\\$ @@version @@datadir @@hostname utl_http utl_file dbms_java dbms_lock openrowset openquery opendatasource
  msdasql sqloledb varchar nvarchar dba_users xp_cmdshell xp_dirtree xp_regread lo_import lo_get current_setting`);

const after = '(?:[\'"`´’‘);]|^|[\\s)]|\\d)';

export const SQL_RULES: readonly ScreeningRule[] = [
  {
    name: 'union',
    form: 'sql',
    points: 5,
    pattern: /\bunion ?(?:all|distinct|\(|[!@'"(]{1,6})? ?\(? ?select\b|['")\d] ?union\b(?! [a-z]{3,12} [a-z])/,
  },
  {
    name: 'select',
    form: 'sql',
    points: 5,
    pattern:
      /\bselect\b[^;]{1,200}(?:\bfrom\b|\bcase\b|\bwhere\b|\()|[;('"`] ?select\b|\bselect ?(?:\*|@@|\d|['"`(]|top \d|if\b|iif\b)|\bselect\w{0,2} \w{1,30}(?:,\w{1,30}){0,8} from\b/,
  },
  {
    name: 'statement',
    form: 'sql',
    points: 5,
    pattern:
      /[;'")] ?(?:insert into|insert\b|update \w|delete (?:from|\w)|drop \w|alter \w|create \w|replace ?(?:into|\(|\w)|truncate \w|set ?@?\w{1,40} ?[=:+-]?|declare ?@?\w|exec\w{0,4}\b|shutdown|begin\b|grant \w|merge \w|call \w|load \w|rename \w|desc\w{0,5} \w|if ?\(|while\b|do ?\(|having\b|print\b)/,
  },
  {
    name: 'definition',
    form: 'sql',
    points: 5,
    pattern:
      /\b(?:insert into \w{1,64}|insert ?into|delete from \w|drop (?:table|database|user|index|view|procedure|function|role)|alter (?:table|database|user|session|a) ?\w|create (?:table|database|user|function|procedure|or replace|view|index|trigger)|truncate table|update \w{1,64} set\b|exec(?:ute)? ?(?:immediate|sp_|xp_|master|\(|@)|execute (?:node|panel|stat|\w{3,30}_)|into (?:out|dump)file|load data|backup database|waitfor (?:delay|time)|procedure analyse|group by [\w,.() ]{1,60}(?:having|\()|order by (?:\d|\(|if\b|case\b|[\w.]{1,40} ?(?:asc|desc|,|--|\())|handler \w{1,40} (?:open|read)|alter\W{1,8}\w{1,30}\W{1,8}char(?:acter)? set)/,
  },
  {
    name: 'function',
    form: 'sql',
    points: 5,
    pattern: new RegExp(`(?:^|[^\\w.$/-])(?:${FUNCTIONS})(?:\\W{0,3}=|[/\\\\?]{0,2}|\`|&&!!!\\$)\\(`),
  },
  { name: 'sleep', form: 'sql', points: 5, pattern: /\b(?:sleep|benchmark|pg_sleep|waitfor|dbms_lock)[ +]?\(/ },
  { name: 'table', form: 'sql', points: 5, pattern: new RegExp(`(?:^|[^\\w-])(?:${TABLES})(?![\\w-])`) },
  {
    name: 'tautology',
    form: 'sql',
    points: 5,
    pattern: new RegExp(
      `${after} ?(?:\\bn?x?or\\b|\\band\\b|\\|\\||&&|\\bhaving\\b|\\bwhere\\b|\\bdiv\\b|\\bxor\\b) ?\\(? ?['"\`´(!~@+-]{0,4}[\\w.@$]{1,40}['"\`´)]{0,3} ?(?:[<>]|[<>!=]=|=|<=>|\\blike\\b|\\bbetween\\b|\\bin ?\\(|\\bis (?:not )?null|\\brlike\\b|\\bregexp\\b|\\bglob\\b|\\bsounds like\\b)`,
    ),
  },
  {
    name: 'broken-quote',
    form: 'sql',
    points: 5,
    pattern:
      /['"`´’‘;] ?\)? ?(?:\bor\b|\band\b|\bn?and\b|\bxor\b|\|\||&&|\bhaving\b|\bnot\b|\bis\b|\blike\b|\bilike\b|\brlike\b|\bregexp\b|\bglob\b|\bbetween\b|\bin\b|\bdiv\b|\bmod\b|\bcollate\b|\bescape\b|\bsounds\b|\bnotnull\b|\bisnull\b|\bwhere\b|\blimit\b|\bunion\b|\bmatch\b|\binto\b)[ ('"`\d!~@+-][^a-z]{0,6}(?:[\w@]{1,30}(?: ?[=<>()!;'"`?#]| ?--| (?:is|like|not|in|between|regexp|glob|null|true|false)\b)|--|\/\*|[('"`\d]|$)/,
  },
  {
    name: 'quote-operator',
    form: 'sql',
    points: 5,
    pattern:
      /['"`´’‘] ?(?:[<>]=?|!=|<>|=|\|\||&&|\^|[*%+~-](?=[\w('"` -])|&) ?(?:['"`(@\d]|\w{1,30}(?: ?--|['"`()=;]|#|$))|['"`] ?(?:--|#|;-|\/\*)|\d['"`] ?(?:or|and|having|[<>=|&;])/,
  },
  {
    name: 'comment',
    form: 'text',
    points: 5,
    pattern:
      /['"`)\d;] ?(?:--(?: |$|\+|-)|#$|;?%00|\/\*)|\/\*!|\/\*[\w\s./-]{0,60}\*\/ ?[\w('"]|[\w)'"]\/\*|(?:^|[^-])--$|;--| -- ?-?$|^#| #$/,
  },
  {
    name: 'always',
    form: 'sql',
    points: 5,
    pattern:
      /\b(?:or|and|having|where) ?\(? ?['"`]?(?:\d{1,20}|[a-z]{1,2})['"`]? ?(?:[<>!=]{1,3}|<=>|\blike\b) ?['"`]?(?:\d{1,20}|[a-z]{1,2})\b|\b(?:or|and) ?['"`(!~]{1,3} ?\d|\b(?:or|and) (?:true|false|null|not) ?[;)'"]|\b(?:or|and) [\w.]{1,30} ?(?:=|<|>|!=) ?['"(]/,
  },
  {
    name: 'hex-or-char',
    form: 'sql',
    points: 5,
    pattern: /\b(?:0x[0-9a-f]{3,64}|x'[0-9a-f]{3,64}|b'[01]{8})|\b(?:n?char|chr|ascii)\(\d|, ?0x[0-9a-f]/,
  },
  {
    name: 'cast',
    form: 'sql',
    points: 5,
    pattern:
      /(?:::|\bas ) ?(?:bool|boolean|int|integer|text|varchar|numeric|float|double precision|regclass|jsonb?|date)\b(?![^ ]{0,30} (?:well|a|the)\b)|::\w{1,20}/,
  },
  {
    name: 'json-operator',
    form: 'sql',
    points: 5,
    pattern: /['"}\])] ?(?:@>|<@|->>?|#>>?|#-|\?[|&]?|@\?|@@|\|\|) ?(?:['"{[]|array\b)|(?:^|[\s(])(?:or|and) '[{["]/,
  },
  {
    name: 'store-operator',
    form: 'tight',
    points: 5,
    pattern:
      /(?:\[|\{["']?|^|,["'])\$(?:ne|eq|gte?|lte?|n?in|not|nor|and|or|exists?|where|regex|elemmatch|size|slice|type|mod|all|near|within|box|center|max|min|text|jsonschema|comment|expr|search|meta|rand|natural|bits\w{6,12})(?:\]|["']|:|$)/,
  },
  {
    name: 'store-code',
    form: 'text',
    points: 5,
    pattern: /\bfunction ?\( ?\) ?\{|\bnew date\b.{0,40}\bwhile\b|\bdb\.\w{1,30}\.(?:find|insert|drop|remove)/,
  },
  {
    name: 'like-or-in',
    form: 'sql',
    points: 5,
    pattern: /\)? ?(?:\blike|\bbetween|\bin) ?\( ?['"\d-]|\) ?like ?\(|\bnot in ?\(|\bin ?\( ?\d{1,12} ?,/,
  },
  {
    name: 'alias',
    form: 'sql',
    points: 5,
    pattern:
      /[\d)'"] ?,? ?as ['"`]?\w{1,30}['"`]? from\b|\) as \w{1,30} ?(?:from|,|where)|; ?as \w{1,20} from|\bfrom ['"`]?\w{1,40}['"`]?\.['"`]?\w{1,40} (?:limit|where|group|order)|\bfrom ?\( ?select/,
  },
  {
    name: 'operators-alone',
    form: 'text',
    points: 5,
    pattern: /^ ?(?:<<|>>|<=>|<>|->|->>|\|\||&&|:=|!=|==) ?$|\|\|[\w(]{1,30}\|\||['"`];$|[;'"`]{2}[;#@-]/,
  },
  {
    name: 'many-marks',
    form: 'text',
    points: 5,
    places: ['query', 'body', 'header'],
    pattern: /['"´`;@#~^*|\\<>(){}[\]!$&%]{12}/,
  },
  {
    name: 'operator-alone',
    form: 'sql',
    points: 5,
    pattern:
      /^ ?(?:[<>]=|xor|regexp|rlike|(?:is|like|not) (?:not )?null|order by|group by|notnull|isnull|in ?\(.{0,80}) ?$|^execute \w{3,24}$/,
  },
  {
    name: 'same',
    form: 'sql',
    points: 5,
    pattern:
      /\b(\d{1,9}) ?(?:={1,2}|<=>|\blike\b|\brlike\b|\bglob\b) ?\1\b|\b(\d{1,9}) ?(?:!=|<>|\bis not\b|\bnot like\b) ?(?!\2\b)\d/,
  },
  {
    name: 'function-alone',
    form: 'sql',
    points: 5,
    pattern: new RegExp(
      `(?:^|[^\\w.$/-])(?:${FUNCTIONS}|date|day|format|local|minute|month|time|year|dayname|password)\\W{1,4}\\(['"]?$|^(?:date|day|format|local|minute|month|time|year)\\W{0,4}\\(`,
    ),
  },
  {
    name: 'leading',
    form: 'sql',
    points: 5,
    pattern:
      /^ ?(?:&&|\|\|) ?\(?[\w !]{1,24} ?(?:[=!]==?|=|==)|^ ?(?:x?or|and) (?:\d{1,12} ?(?:$|[^ \w])|[\w.]{1,30} ?(?:[<>!=]=|[<>=]))|(?:^|[;>-]) ?(?:set @\w|declare @\w|drop$|alter$|truncate\[|update\w)|^ ?div (?:role|id|style) ?=|\bdiv ?\(\d/,
  },
  {
    name: 'case',
    form: 'sql',
    points: 5,
    pattern:
      /\bwhen\b.{1,40}\bthen\b|\blike ['"]|\bselect (?:pg_\w|\.\d)|\bselect\.\d|\bunionselect|\bfrom \w{1,30} group by|\d\.e[.(]|\bvalues ?\(['"]|['"], ?\(\d/,
  },
  {
    name: 'number',
    form: 'sql',
    points: 5,
    pattern: /^ ?(?:-?2147483648|4294967296|4294967295|2\.2250738585072011e-308|0x7fffffff|1e309) ?$/,
  },
  {
    name: 'quote-first',
    form: 'text',
    points: 5,
    pattern:
      /^ ?['"`´]{1,4}$|^ ?['"][^\w ]{1,8} ?[\d'"[]|^ ?['"]\\?\d[^a-z]{1,12}$|^ ?['"`] ?[*=^<>#~|&+][^>]|^\^['"]|^,\w{1,30}['"]|['"] ?= ?['"]|^ ?' ', ?|^['"]\d{1,8}[*+/-]\d|['"] ?, ?['"] ?,|^['"]\]\[|\d ?['"] ?['"] ?\d|\w ['"]$/,
  },
  {
    name: 'trailing',
    form: 'sql',
    points: 5,
    pattern:
      /\b(?:x?or|and) ['"]?\d{1,9} ?[-#;)<]|\d (?:or|and) (?:true|false|null)\b|[\d!] as['"` ]{1,3}from\b|\|\|this\.|['"] (?:is|and|or) \w{1,20}-$/,
  },
];
