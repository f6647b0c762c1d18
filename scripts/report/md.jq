# What means something in Markdown or HTML is escaped, so that names stay words.
def escaped: gsub("[\u0000-\u001f\u007f-\u009f]"; " ") | gsub("(?<c>[\\\\`*_{}\\[\\]<>()#+!|~&-])"; "\\\(.c)");
def cells: map(escaped) | "| " + join(" | ") + " |";
def table: (.columns | map(.name) | cells), (.columns | map(if .number then "---:" else "---" end) | "| " + join(" | ") + " |"),
  (.cells[] | cells);
def block: filled | "", "## " + text("section." + .key), (.note // empty | "", .), "", table;
"# \(text("report." + period_detail.kind)): \(title | capital)",
"",
("\(place), \(span)" | escaped),
(if period_detail.complete then empty else "", text("incomplete") end),
(if has_data then empty else "", text("no_data") end),
((totals_table, busiest_table, top_table, lists[], week_table, station_table, overlap_table, weather_table, quality_table,
  system_table) | block)
