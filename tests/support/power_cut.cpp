#include "tests/support/power_cut.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <random>
#include <stdexcept>

#include "tests/support/temp_dir.hpp"

namespace emsn::test {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kSectorBytes = 512; // what a disk writes whole or not at all

std::string parent_of(const std::string &name) {
    return fs::path(name).parent_path().string();
}

std::string take(const std::string &log, std::size_t &at, std::size_t bytes) {
    if (bytes > log.size() - at)
        throw std::runtime_error("disk log: ends in the middle of a record");
    at += bytes;
    return log.substr(at - bytes, bytes);
}

} // namespace

// Decides for one cut which of the operations that were not synced reached the disk.
class PowerCut::Fate {
  public:
    using Survivors = std::vector<bool>; // of a list of operations in their order

    Fate(unsigned seed, std::size_t cut)
        : seed_(seed), random_(seed * 1'000'003U + static_cast<unsigned>(cut)) {}

    [[nodiscard]] bool coin(double chance) { return std::bernoulli_distribution(chance)(random_); }

    Survivors of_names(std::size_t count) {
        if (seed_ >= kFirstMix)
            return mixed(count);
        Survivors survivors(count, seed_ == kLoseNothing || seed_ == kLoseContent);
        if (seed_ == kKeepLastName && count > 0)
            survivors.back() = true;
        return survivors;
    }
    Survivors of_content(std::size_t count) {
        if (seed_ >= kFirstMix)
            return mixed(count);
        return Survivors(count, seed_ != kLoseAll && seed_ != kLoseContent);
    }
    // Whether a write that does not survive whole is there in parts.
    bool tears() {
        constexpr double kChance = 0.3;
        return tears_ && coin(kChance);
    }

  private:
    // One file or folder may have got all and another nothing; else the first operations survive, or any.
    Survivors mixed(std::size_t count) {
        enum Style : unsigned { kNone, kAll, kFirst, kAny, kStyles };
        constexpr double kChances[] = {0.1, 0.5, 0.9};
        const auto style = static_cast<Style>(random_() % kStyles);
        tears_ = style == kFirst || style == kAny;
        Survivors survivors(count, style == kAll);
        if (style == kFirst)
            std::fill_n(survivors.begin(), random_() % (count + 1), true);
        const double chance = kChances[random_() % std::size(kChances)];
        for (std::size_t i = 0; style == kAny && i < count; ++i)
            survivors[i] = coin(chance);
        return survivors;
    }

    unsigned seed_;
    std::mt19937 random_;
    bool tears_ = false;
};

void PowerCut::apply(const Operation &operation, std::string &content) {
    if (operation.op == DiskOp::resize) {
        content.resize(operation.offset);
        return;
    }
    content.resize(std::max(content.size(), operation.offset + operation.data.size()));
    content.replace(operation.offset, operation.data.size(), operation.data);
}

void PowerCut::apply_some_sectors(const Operation &operation, std::string &content, Fate &fate) {
    constexpr double kHalf = 0.5;
    const std::size_t end = operation.offset + operation.data.size();
    if (fate.coin(kHalf)) // the new length is there, whatever is of the data
        content.resize(std::max(content.size(), end));
    for (std::size_t at = operation.offset; at < end;) {
        const std::size_t next = std::min(end, (at / kSectorBytes + 1) * kSectorBytes);
        if (fate.coin(kHalf)) {
            content.resize(std::max(content.size(), next));
            content.replace(at, next - at, operation.data, at - operation.offset, next - at);
        }
        at = next;
    }
}

// By the file, not by the name it has now: when a creation was lost and the rename was not, the file is
// there.
void PowerCut::apply(const Change &change, std::map<std::string, std::size_t> &names) {
    const Operation &operation = *change.operation;
    if (operation.op == DiskOp::create) {
        names[operation.path] = change.file;
        return;
    }
    const auto old = names.find(operation.path);
    if (operation.op != DiskOp::link && old != names.end() && old->second == change.file)
        names.erase(old);
    if (operation.op != DiskOp::unlink)
        names[operation.other] = change.file;
}

void PowerCut::Disk::do_next(const Operation &operation) {
    if (operation.op == DiskOp::sync_folder) {
        for (const Change &change : since[operation.path])
            apply(change, names);
        since[operation.path].clear();
        return;
    }
    if (operation.op == DiskOp::create) {
        file_of[operation.inode] = files.size();
        files.emplace_back();
    }
    const auto found = file_of.find(operation.inode);
    if (found == file_of.end())
        throw std::runtime_error("disk log: " + operation.path + " was never created");
    File &file = files[found->second];
    switch (operation.op) {
    case DiskOp::write:
    case DiskOp::resize:
        file.since.push_back(&operation);
        return;
    case DiskOp::sync:
        for (const Operation *earlier : file.since)
            apply(*earlier, file.durable);
        file.since.clear();
        return;
    default:
        since[parent_of(operation.path)].push_back({&operation, found->second});
    }
}

PowerCut::PowerCut(std::string folder) : folder_(std::move(folder)) {
    for (auto &[name, content] : files_below(folder_)) {
        struct stat st {};
        if (::stat((folder_ + "/" + name).c_str(), &st) != 0)
            throw std::runtime_error("stat " + name);
        // a second name of the same file finds it there
        const auto [place, is_new] = before_.file_of.emplace(st.st_ino, before_.files.size());
        if (is_new)
            before_.files.push_back({content, {}});
        before_.names[name] = place->second;
    }
}

void PowerCut::read_log(const std::string &log) {
    const std::string bytes = read_file(log);
    for (std::size_t at = 0; at < bytes.size();) {
        DiskRecord head{};
        const std::string raw = take(bytes, at, sizeof head);
        std::memcpy(&head, raw.data(), sizeof head);
        Operation operation{head.op, head.inode, static_cast<std::size_t>(head.offset), {}, {}, {}};
        operation.path = take(bytes, at, head.path_bytes);
        operation.other = take(bytes, at, head.other_bytes);
        operation.data = take(bytes, at, head.data_bytes);
        operations_.push_back(std::move(operation));
    }
    const Files told = after(operations(), kLoseNothing);
    const Files found = files_below(folder_);
    for (const Files &files : {told, found}) {
        for (const auto &[name, content] : files) {
            if (!told.contains(name) || !found.contains(name) || told.at(name) != found.at(name))
                throw std::runtime_error("disk log: what happened to " + name + " was not recorded");
        }
    }
}

std::string PowerCut::describe(std::size_t cut) const {
    if (cut == 0)
        return "nothing";
    static constexpr const char *kWords[] = {"create",      "write",  "resize", "sync",
                                             "sync folder", "rename", "link",   "unlink"};
    const Operation &last = operations_.at(cut - 1);
    std::string text = kWords[static_cast<std::size_t>(last.op)] + (" '" + last.path + "'");
    if (!last.other.empty())
        text += " to '" + last.other + "'";
    if (last.op == DiskOp::write || last.op == DiskOp::resize)
        text += " at " + std::to_string(last.offset) + ", " + std::to_string(last.data.size()) + " bytes";
    return text + " (operation " + std::to_string(cut) + " of " + std::to_string(operations()) + ")";
}

std::vector<std::size_t> PowerCut::cuts(std::size_t most) const {
    const auto is_write = [&](std::size_t i) { return operations_[i].op == DiskOp::write; };
    std::vector<std::size_t> needed{0};
    std::vector<std::size_t> between; // two writes
    for (std::size_t cut = 1; cut <= operations(); ++cut) {
        const bool inside = cut < operations() && is_write(cut - 1) && is_write(cut);
        (inside ? between : needed).push_back(cut);
    }
    const std::size_t room = most > needed.size() ? std::min(most - needed.size(), between.size()) : 0;
    for (std::size_t i = 0; i < room; ++i)
        needed.push_back(between[i * between.size() / room]);
    std::sort(needed.begin(), needed.end());
    return needed;
}

PowerCut::Files PowerCut::after(std::size_t cut, unsigned seed) const {
    Disk disk = before_;
    for (std::size_t i = 0; i < cut; ++i)
        disk.do_next(operations_.at(i));
    Fate fate(seed, cut);
    for (const auto &[folder, changes] : disk.since) {
        const auto survives = fate.of_names(changes.size());
        for (std::size_t i = 0; i < changes.size(); ++i) {
            if (survives[i])
                apply(changes[i], disk.names);
        }
    }
    for (File &file : disk.files) {
        const auto survives = fate.of_content(file.since.size());
        for (std::size_t i = 0; i < file.since.size(); ++i) {
            if (survives[i])
                apply(*file.since[i], file.durable);
            else if (file.since[i]->op == DiskOp::write && fate.tears())
                apply_some_sectors(*file.since[i], file.durable, fate);
        }
    }
    Files files;
    for (const auto &[name, file] : disk.names)
        files[name] = disk.files[file].durable;
    return files;
}

PowerCut::Files files_below(const std::string &folder) {
    PowerCut::Files files;
    for (const auto &entry : fs::recursive_directory_iterator(folder)) {
        if (entry.is_symlink() || (!entry.is_regular_file() && !entry.is_directory()))
            throw std::runtime_error("neither file nor folder: " + entry.path().string());
        if (entry.is_regular_file())
            files[fs::relative(entry.path(), folder).string()] = read_file(entry.path());
    }
    return files;
}

void write_folder(const PowerCut::Files &files, const std::string &folder) {
    fs::remove_all(folder);
    fs::create_directories(folder);
    for (const auto &[name, content] : files) {
        fs::create_directories((fs::path(folder) / name).parent_path());
        write_file(folder + "/" + name, content);
    }
}

} // namespace emsn::test
