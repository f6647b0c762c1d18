// The table of SQLite's functions that a module gets from its host: here the test program is both.
#define SQLITE_CORE // the real functions, without the macros that call through the table
#include <sqlite3ext.h>

extern "C" {
const sqlite3_api_routines *sqlite3_api = nullptr;
}
