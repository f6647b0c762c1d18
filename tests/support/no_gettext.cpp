// Preloaded into a server under AddressSanitizer: the real functions deadlock there while it starts (seen
// with PostgreSQL 15 and libasan 8). Messages come out untranslated.
extern "C" {

char *bindtextdomain(const char *, const char *directory) {
    return const_cast<char *>(directory);
}
char *bind_textdomain_codeset(const char *, const char *codeset) {
    return const_cast<char *>(codeset);
}
char *textdomain(const char *domain) {
    return const_cast<char *>(domain);
}
char *gettext(const char *message) {
    return const_cast<char *>(message);
}
char *dgettext(const char *, const char *message) {
    return const_cast<char *>(message);
}
char *dcgettext(const char *, const char *message, int) {
    return const_cast<char *>(message);
}
char *ngettext(const char *one, const char *many, unsigned long count) {
    return const_cast<char *>(count == 1 ? one : many);
}
char *dngettext(const char *, const char *one, const char *many, unsigned long count) {
    return const_cast<char *>(count == 1 ? one : many);
}
char *dcngettext(const char *, const char *one, const char *many, unsigned long count, int) {
    return const_cast<char *>(count == 1 ? one : many);
}
}
