#include "tests/support/tree.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <climits>
#include <cstring>
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

void make_socket(const std::string &path) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    const core::Fd made(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    must(::bind(made.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address), path);
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
    make_socket(path + "/a/socket");
    if (::geteuid() == 0) { // a container may forbid it
        static_cast<void>(::mknod((path + "/a/null").c_str(), S_IFCHR | 0600, makedev(1, 3)));
        static_cast<void>(::mknod((path + "/a/loop0").c_str(), S_IFBLK | 0600, makedev(7, 0)));
    }
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

void plant_daily_backups(const std::string &path, int days) {
    make_folder(path);
    for (int day = 1; day <= days; ++day) {
        const std::string today = path + "/day " + std::to_string(day);
        make_folder(today);
        write_file(today + "/new", std::string(static_cast<std::size_t>(day), 'n'));
        for (int folder = 0; folder < kDailyFolders; ++folder) {
            const std::string below = "/" + std::to_string(folder);
            make_folder(today + below);
            for (int file = 0; file < kDailyFiles; ++file) {
                const std::string name = below + "/" + std::to_string(file);
                if (day == 1)
                    write_file(today + name, std::string(kDailyBytes, 'x'));
                else
                    must(::link((path + "/day 1" + name).c_str(), (today + name).c_str()), name);
            }
        }
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
