# shellcheck shell=bash
# What the scripts need to know of libpq's connection strings and of its refusals, to be sourced:
#
#   has_password CONNINFO   true when it holds a password
#   kind_of_refusal FILE    why there was no connection, from the words of psql or pg_dump in FILE

# Arguments are seen by everyone in ps. A password may be quoted, percent-encoded or stand in a URI's query.
has_password() {
    # %77 in a URI is a w to libpq
    local text
    printf -v text '%b' "${1//%/\\x}"
    for text in "$1" "$text"; do
        [[ $text =~ (^|[[:space:]]|[?\&])(ssl)?password[[:space:]]*= ]] && return
        [[ $text =~ ^[[:space:]]*postgres(ql)?://[^/@?]*:[^/@]*@ ]] && return
    done
    return 1
}

# Why there is no connection: wrong "words" in the connection string, a "person" whom the server does not let in, or
# "away": no server, or one that is full, starting or stopping.
kind_of_refusal() {
    if grep -qE 'invalid connection option|invalid URI|missing "=" after|unterminated quoted string|definition of service|invalid port number|invalid integer value|invalid [a-z_]+ value' "$1"; then
        echo words
    elif grep 'FATAL:' "$1" | grep -qvE 'too many (connections|clients)|remaining connection slots|starting up|accepting connections|shutting down|recovery|administrator command|crash of another'; then
        echo person
    else
        echo away
    fi
}
