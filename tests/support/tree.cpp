#include "tests/support/tree.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <stdexcept>

#include "core/handle.hpp"
#include "tests/support/temp_dir.hpp"

namespace emsn::test {

namespace {

void must(int result, const std::string &what) {
    if (result < 0)
        throw std::runtime_error("plant tree: " + what);
}

void make_folder(const std::string &path, mode_t mode = 0755) {
    must(::mkdir(path.c_str(), 0700), path);
    must(::chmod(path.c_str(), mode), path);
}

} // namespace

void plant_odd_tree(const std::string &path) {
    make_folder(path);
    make_folder(path + "/a");
    make_folder(path + "/a/empty");
    write_file(path + "/a/small", "hello");
    write_file(path + "/a/big", std::string(100'000, 'x'));
    write_file(path + "/a/hole", "");
    must(::truncate((path + "/a/hole").c_str(), 50'000'000), "hole");
    must(::link((path + "/a/big").c_str(), (path + "/a/big again").c_str()), "hard link");
    must(::link((path + "/a/big").c_str(), (path + "/big too").c_str()), "hard link");
    must(::symlink("nowhere", (path + "/a/dangling").c_str()), "symlink");
    must(::symlink("..", (path + "/a/loop").c_str()), "symlink");
    must(::symlink("/usr", (path + "/a/usr").c_str()), "symlink");
    must(::mkfifo((path + "/a/fifo").c_str(), 0644), "fifo");
    write_file(path + "/a/line\nbreak", "1234567");
    write_file(path + "/a/\xff\xfe not utf-8", "12345678");
    write_file(path + "/a/" + std::string(NAME_MAX, 'n'), "123456789");
    make_folder(path + "/no search");
    write_file(path + "/no search/inside", "cannot be asked about");
    make_folder(path + "/no read");
    write_file(path + "/no read/inside", "cannot be listed");
    make_folder(path + "/root only");
    make_folder(path + "/root only/below");
    write_file(path + "/root only/below/file", "not for everybody");
    must(::chmod((path + "/no search").c_str(), 0444), "mode");
    must(::chmod((path + "/no read").c_str(), 0), "mode");
    must(::chmod((path + "/root only").c_str(), 0700), "mode");
}

void plant_deep_tree(const std::string &path, int levels, std::size_t name_length) {
    make_folder(path);
    const std::string name(name_length, 'd');
    core::Fd here(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (int level = 0; level < levels; ++level) {
        const core::Fd file(::openat(here.get(), "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
        must(static_cast<int>(::write(file.get(), "x", 1)), "file");
        must(::mkdirat(here.get(), name.c_str(), 0755), "deep folder");
        here = core::Fd(::openat(here.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        must(here.get(), "deep folder");
    }
}

void plant_wide_tree(const std::string &path, int names) {
    constexpr int kNamesEach = 50'000; // ext4 allows 65,000 links
    make_folder(path);
    std::string original;
    for (int i = 0; i < names; ++i) {
        const std::string name = path + "/name " + std::to_string(i);
        if (i % kNamesEach == 0)
            write_file(original = name, std::string(10, 'x'));
        else
            must(::link(original.c_str(), name.c_str()), name);
    }
}

} // namespace emsn::test
