# shellcheck shell=bash disable=SC2154
# (work: the folder of the demo)
# scripts/demo --shards N: detections on several servers behind one that is asked; to be sourced by it.
#
#   demo_shards N     servers shard1 .. shardN and a coordinator in $work, a station on each, and one shard killed
#   demo_shards_stop  stops them all

shard_servers=()

demo_shards_stop() {
    local name
    for name in "${shard_servers[@]}"; do
        private_pg_stop "$work/$name" || true
    done
}

shard_start() { # NAME SQL...
    local name=$1 statement
    mkdir "$work/$name"
    EMSN_STAGE=$EMSN_ROOT/build/release/stage private_pg_start "$work/$name"
    shard_servers+=("$name")
    shift
    for statement in 'CREATE EXTENSION emsn_health' "$@"; do
        psql -X -q -v ON_ERROR_STOP=1 -o /dev/null -h "$work/$name" -c "$statement"
    done
}

demo_shards() {
    local count=$1 number
    export PGUSER=postgres PGDATABASE=postgres PGAPPNAME=demo
    title "$count servers, each with the detections of one station, and a coordinator"
    for ((number = 1; number <= count; number++)); do
        shard_start "shard$number" "SELECT emsn.create_detections('public.bird_detections')"
        invent "garden$number.db" $((20000 * number)) 0 52.1
    done
    shard_start coordinator
    export PGHOST=$work/coordinator
    for ((number = 1; number <= count; number++)); do
        typed "psql -v server=shard$number -v host=\$work/shard$number -v stations='garden$number' -f sql/scale_out.sql"
        psql -X -q -o /dev/null -v server="shard$number" -v host="$work/shard$number" -v stations="garden$number" \
            -f "$EMSN_ROOT/sql/scale_out.sql"
    done
    title 'Each station publishes to its own server; the last one through the coordinator'
    for ((number = 1; number <= count; number++)); do
        local to="$work/shard$number"
        ((number < count)) || to=$work/coordinator
        sqlite3 -readonly "garden$number.db" '.load ./emsn_pg' \
            "SELECT emsn_publish('host=$to user=postgres dbname=postgres', 'garden$number')"
    done
    title 'One answer for all'
    ask 'SELECT tableoid::regclass AS part, station, count(*) FROM bird_detections GROUP BY 1, 2 ORDER BY 2'
    ask 'SELECT * FROM emsn.detections_today'
    ask "SELECT check_name, subject, status, message FROM emsn.health WHERE check_name IN ('shards', 'silent_station')"
    ask "SET enable_partitionwise_aggregate = on; EXPLAIN (VERBOSE, COSTS OFF) SELECT station, count(*) FROM bird_detections
  WHERE detection_timestamp >= '$(date -u +%F)' AND deleted IS DISTINCT FROM true GROUP BY station"
    title 'One of them is killed: the others answer'
    private_pg_stop "$work/shard1"
    typed 'pg_ctl -D shard1/data -m immediate stop'
    ask 'SELECT station, detections, last_detection FROM emsn.detections_today'
    ask "SELECT check_name, subject, status, message FROM emsn.health WHERE status <> 'ok'"
}
