-- How full the disks of this machine are, as rows for health_local/rows.sql. place: one row, station.
SELECT json_object('check_name', 'disk_usage', 'subject', p.station || ' ' || f.mount_point,
                   'status', iif(f.used_percent IS NULL, 'unknown', NULL),
                   'value', f.used_percent, 'unit', '%', 'warning_at', '80', 'critical_at', '90',
                   'message', iif(f.used_percent IS NULL,
                                  f.mount_point || ': ' || coalesce(f.error, 'not told how full it is'),
                                  printf('%s%% of %.1f GB used, %.1f GB available', f.used_percent, f.total_bytes / 1e9,
                                         f.available_bytes / 1e9)),
                   'remedy', printf('Free space on %s, or enlarge it.', f.mount_point))
FROM place AS p
JOIN emsn_filesystems AS f
-- images are full by nature
WHERE f.fs_type NOT IN ('squashfs', 'iso9660', 'udf', 'erofs', 'cramfs', 'romfs', 'autofs', 'fuse.lxcfs',
                        'fuse.gvfsd-fuse', 'fuse.portal')
UNION ALL
-- a card that wears out is made read-only by the kernel, and what records on it does no more
SELECT json_object('check_name', 'read_only_disk', 'subject', p.station || ' ' || f.mount_point,
                   'value', 1, 'unit', 'disks', 'critical_at', '1',
                   'message', printf('%s (%s) is read-only', f.mount_point, f.device),
                   'remedy', 'See why: dmesg; is it a disk that wears out?')
FROM place AS p
JOIN emsn_filesystems AS f
WHERE f.read_only AND f.fs_type IN ('ext2', 'ext3', 'ext4', 'f2fs', 'btrfs', 'xfs', 'vfat', 'exfat', 'ntfs3', 'fuseblk');
