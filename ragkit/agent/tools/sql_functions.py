"""Functions that only compute, by name, for the check of SQL statements.

Only those that the parser has no kind of its own for. What reads files, settings, sequences or
other servers, runs statements, waits or locks is not among them, and what is not among them is
refused.
"""

_NAMES = """
json json_array json_array_elements json_array_elements_text json_array_length json_build_array
json_build_object json_each json_each_text json_error_position json_extract_path
json_extract_path_text json_group_array json_group_object json_insert json_object
json_object_agg json_object_keys json_patch json_pretty json_quote json_remove json_replace
json_set json_strip_nulls json_to_record json_to_recordset json_tree json_type json_typeof
json_valid json_agg json_unquote json_contains json_contains_path json_search json_length
json_depth jsonb jsonb_agg jsonb_array_elements jsonb_array_elements_text jsonb_array_length
jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path
jsonb_extract_path_text jsonb_object jsonb_object_agg jsonb_object_keys jsonb_path_exists
jsonb_path_match jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_pretty
jsonb_set jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_typeof to_json to_jsonb
row_to_json array_to_json
age clock_timestamp date_part datetime isfinite julianday justify_days justify_hours
justify_interval make_date make_interval make_time make_timestamp make_timestamptz now
statement_timestamp strftime time timediff timeofday to_timestamp transaction_timestamp
unixepoch date date_format from_unixtime unix_timestamp str_to_date timestampdiff datediff
dateadd datename datepart getdate eomonth
array_dims array_fill array_length array_lower array_ndims array_position array_positions
array_replace array_upper cardinality generate_subscripts trim_array unnest
ascii bit_length btrim char char_length character_length chr concat_ws convert_from decode
encode format get_byte glob hex instr like lpad ltrim octet_length overlay position printf
quote quote_ident quote_literal quote_nullable regexp_count regexp_instr regexp_like
regexp_match regexp_matches regexp_split_to_array regexp_split_to_table regexp_substr rpad
rtrim split_part starts_with string_to_array string_to_table strpos substr to_char to_hex
to_number translate unhex unicode unistr upper lower find_in_set field elt
abs acos asin atan cbrt ceil ceiling div erf gcd lcm log mod pi power random round scale sign
sin sqrt tan trim_scale trunc width_bucket cot min_scale random_normal isnull ifnull iif nullif
num_nonnulls num_nulls likelihood likely unlikely typeof pg_typeof
every mode percentile_cont percentile_disc total bit_and bit_or bit_xor bool_and bool_or
string_agg group_concat regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope
var_pop var_samp any_value range_agg rank
isempty lower_inc lower_inf upper_inc upper_inf range_merge int4range int8range numrange
daterange tsrange tstzrange
abbrev broadcast family host hostmask inet_merge inet_same_family masklen netmask network
bm25 highlight snippet matchinfo offsets
numnode phraseto_tsquery plainto_tsquery querytree setweight strip to_tsquery to_tsvector
ts_headline ts_rank ts_rank_cd websearch_to_tsquery similarity word_similarity unaccent
levenshtein soundex metaphone dmetaphone
area box center circle diameter height length line lseg npoints path point polygon radius
slope width cosine_distance inner_product l2_distance vector_dims vector_norm
generate_series current_database current_schema version sqlite_version md5 sha224 sha256 sha384
sha512 crc32 gen_random_uuid uuid_generate_v4 greatest least coalesce
"""

# Those of them that may stand for a table; a name can mean another function there.
_TABLE_NAMES = """
generate_series generate_subscripts json_array_elements json_array_elements_text json_each
json_each_text json_object_keys json_table json_to_record json_to_recordset json_tree
jsonb_array_elements jsonb_array_elements_text jsonb_each jsonb_each_text jsonb_object_keys
jsonb_path_query jsonb_to_record jsonb_to_recordset openjson regexp_matches regexp_split_to_table
string_split string_to_table unnest xmltable
"""

HARMLESS_TABLE_FUNCTIONS = frozenset(_TABLE_NAMES.split())
HARMLESS_FUNCTIONS = frozenset(_NAMES.split())
