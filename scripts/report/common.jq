# What the forms of a report share; put before one of them. Input: {rows, texts, made}.
. as $report
| def text($key): $report.texts[$key] // $key;
  def rows($section): [$report.rows[] | select(.section == $section)];
  def row($section; $name): first(rows($section)[] | select(.label == $name)) // {value: null, detail: {}};
  def grouped: if length > 3 then (.[:-3] | grouped) + text("thousands") + .[-3:] else . end;
  # 1234.5 as 1,234.5
  def number:
    if . == null then "–"
    else (if . < 0 then "−" else "" end) + (fabs | tostring | split(".")
      | (.[0] | grouped) + (if .[1] then text("decimal") + .[1] else "" end))
    end;
  def percent: if . == null then "–" else number + " %" end;
  def signed: if . == null then "–" elif . > 0 then "+" + percent else percent end;
  # 2025-12-03 as 3 December 2025
  def date: if . == null then "–" else split("-") | "\(.[2] | ltrimstr("0")) \(text("month." + .[1])) \(.[0])" end;
  def day_month: split("-") | "\(.[2] | ltrimstr("0")) \(text("month." + .[1]))";
  def days($first; $last): if $first == $last then $first | day_month elif $first[:7] == $last[:7] then "\($first[8:] | ltrimstr("0")) – \($last | day_month)"
    else "\($first | day_month) – \($last | day_month)" end;
  # Monday is 1
  def weekday: strptime("%Y-%m-%d") | mktime | gmtime | if .[6] == 0 then 7 else .[6] end;
  def hour: "\(if . < 10 then "0" else "" end)\(.):00";
  def bytes:
    if . == null then "–"
    else . as $n | [["TB", 1e12], ["GB", 1e9], ["MB", 1e6], ["kB", 1e3], ["B", 1]]
      | (map(select(($n | fabs) >= .[1])) | first // ["B", 1]) as $u
      | "\($n / $u[1] * 10 | round / 10 | number) \($u[0])"
    end;
  def duration:
    if . == null then text("not_known")
    elif . < 5400 then "\(. / 60 | round) min"
    elif . < 172800 then "\(. / 3600 | round) h"
    else "\(. / 86400 | round | number) d"
    end;
  def period_detail: rows("period")[0].detail;
  def title:
    rows("period")[0] as $p
    | if $p.detail.kind == "monthly" then $p.label | split("-") | "\(text("month." + .[1])) \(.[0])"
      else $p.label | split("-W") | "\(text("week")) \(.[1] | ltrimstr("0")), \(.[0])" end;
  def capital: (.[:1] | ascii_upcase) + .[1:];
  def place: period_detail.station as $s
    | if $s == null then text("all_stations") + " (\(rows("by_station") | length))" else text("station") + " " + $s end;
  def span: period_detail | "\(.first_day | date) \(text("to")) \(.last_day | date)";
  def has_data: row("totals"; "detections").value > 0;

  # one chart each, the most heard first
  def drawn_stations: [rows("by_day") | group_by(.detail.station)[] | {station: .[0].detail.station, sum: (map(.value // 0) | add)}]
    | sort_by(-.sum, .station)[:6] | map(.station);

  # Tables, the same in every form: {title, note, columns: [{name, number}], cells}
  def column($name): {name: text($name), number: false};
  def numeric($name): {name: text($name), number: true};
  def dated($section): [rows($section)[] | [.label, .detail.species, (.detail.first_day | day_month), (.value | number)]];
  def species_columns: [column("name"), column("scientific"), column("first_heard"), numeric("detections")];
  def totals_table: {
    key: "totals",
    columns: [column("what"), numeric("number"), numeric("previous"), numeric("change"), numeric("year_ago"),
              numeric("change")],
    cells: [rows("totals")[] | [text(.label), (.value | number), (.detail.previous | number), (.detail.change_percent | signed),
            (.detail.year_ago | number), (.detail.year_ago_change_percent | signed)]]
  };
  def busiest_table: {
    key: "busiest",
    columns: [column("what"), column("day"), column("hour"), numeric("detections")],
    cells: [rows("busiest")[] | [text("busiest." + .label), (if .detail.day then .detail.day | date else "" end),
            (if .detail.hour != null then .detail.hour | hour else "" end), (.value | number)]]
  };
  def top_table: {
    key: "top_species",
    columns: [numeric("#"), column("name"), column("scientific"), numeric("detections"), numeric("share"), numeric("days"),
              numeric("previous"), numeric("year_ago")],
    cells: [rows("top_species")[] | [(.position | number), .label, .detail.species, (.value | number),
            (.detail.share_percent | percent), (.detail.days | number), (.detail.previous | number),
            (.detail.year_ago | number)]]
  };
  def listed($key; $note): {key: $key, note: text($note), columns: species_columns, cells: dated($key)};
  def lists: [listed("new_species"; "note.new_species"), listed("first_of_year"; "note.first_of_year"),
              listed("rare_species"; "note.rare_species." + period_detail.kind)];
  def week_table: {
    key: "by_week",
    columns: [column("week"), column("days"), numeric("detections"), numeric("species"), numeric("days_with_data")],
    cells: [rows("by_week")[] | [.label, days(.detail.first_day; .detail.last_day), (.value | number),
            (.detail.species | number), (.detail.days_with_data | number)]]
  };
  def station_table: {
    key: "by_station",
    columns: [column("station"), numeric("detections"), numeric("species"), numeric("days_with_data"), numeric("previous"),
              numeric("year_ago")],
    cells: [rows("by_station")[] | [.label, (.value | number), (.detail.species | number), (.detail.days_with_data | number),
            (.detail.previous | number), (.detail.year_ago | number)]]
  };
  def overlap_table: {
    key: "overlap",
    note: text("note.overlap"),
    columns: [column("what"), numeric("detections")],
    cells: ([rows("overlap")[] | [text(.label), (.value | number)]]
            + (if period_detail.station == null and (rows("overlap") | length) > 0
               then [[text("once"), (row("totals"; "detections").value - row("overlap"; "repeated").value | number)]] else [] end)
            + [rows("overlap_species")[] | ["· " + .label, (.value | number)]])
  };
  def weather_table: {
    key: "weather",
    columns: [column("measure"), numeric("mean"), numeric("lowest"), numeric("highest")],
    cells: [rows("weather")[] | if .detail.error then [.label, .detail.error, "", ""]
            else [.label, (.value | number), (.detail.lowest | number), (.detail.highest | number)] end]
  };
  def quality_table: {
    key: "data_quality",
    columns: [column("station"), column("what"), numeric("number")],
    cells: [rows("data_quality")[] | [(.detail.station // "–"), text(.label), (.value | number)]]
  };
  def system_state:
    if .label == "backup" or .label == "mirror" then
      if .value == null then text("not_known") else "\(.value | duration) \(text("age"))" end
      + (if .detail.verified == false or .detail.complete == false then ", " + text("not_verified") else "" end)
      + (if .detail.last_error then ": " + .detail.last_error else "" end)
    elif .label == "disk" then
      "\(.value | percent) \(text("used"))"
      + (if .detail.bytes_per_day then ", \(.detail.bytes_per_day | bytes) \(text("per_day"))" else "" end)
      + (if .detail.days_to_full then ", \(.detail.days_to_full | number) \(text("days_to_full"))" else "" end)
    elif .label == "failed_unit" then text("failed") + (if .detail.result then " (\(.detail.result))" else "" end)
    elif .label == "database_growth" then
      if .value == null then text("not_known") else "\(.value | bytes) \(text("per_day"))" end
    elif .detail.max_connections then "\(.value | number) \(text("of")) \(.detail.max_connections | number)"
    else .value | number
    end;
  def system_table: {
    key: "system",
    note: text("note.system"),
    columns: [column("where"), column("what"), column("name"), column("state")],
    cells: [rows("system")[] | [(.detail.station // text("server")), text(.label), (.detail.subject // ""), system_state]]
  };
  def filled: select(.cells | length > 0);
