#include "tests/support/temp_dir.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tests/support/run.hpp"

namespace emsn::test {

TempDir::TempDir() {
    const char *base = std::getenv("TMPDIR");
    path_ = std::string(base != nullptr ? base : "/tmp") + "/emsn-test.XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr)
        throw std::runtime_error("mkdtemp " + path_);
    ::chmod(path_.c_str(), 0755); // tests look at it as another user too
}

TempDir::~TempDir() {
    // not std::filesystem::remove_all: trees here are deeper than PATH_MAX and have folders without rights
    run({"chmod", "-R", "u+rwX", path_});
    run({"rm", "-rf", "--one-file-system", path_});
}

InMemory::InMemory() {
    if (::access("/dev/shm", W_OK) == 0)
        ::setenv("TMPDIR", "/dev/shm", 1);
}

InMemory::~InMemory() {
    ::unsetenv("TMPDIR");
}

void write_file(const std::string &path, const std::string &content) {
    std::ofstream out(path, std::ios::binary);
    out << content;
    if (!out.flush())
        throw std::runtime_error("write " + path);
}

std::string read_file(const std::string &path) {
    std::ifstream in(path, std::ios::binary);
    if (!in)
        throw std::runtime_error("read " + path);
    std::ostringstream bytes;
    bytes << in.rdbuf(); // in big pieces: files are read whole, again and again
    return bytes.str();
}

} // namespace emsn::test
