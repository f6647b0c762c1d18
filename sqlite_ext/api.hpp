// SQLite as a loaded extension sees it: every call goes through the host's table, which init.cpp fills.
#pragma once

#include <sqlite3ext.h>

extern "C" {
SQLITE_EXTENSION_INIT3
}
