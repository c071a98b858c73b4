//! `zdb -C POOL`: the pool's configuration.

use std::path::Path;

use super::Zfs;

/// Runs `zdb ARGS` on the pools below `root`. Only `-C` is there.
pub fn zdb_main(root: &Path, args: &[String]) -> i32 {
    let (options, names): (Vec<&String>, Vec<&String>) =
        args.iter().partition(|a| a.starts_with('-'));
    let config = options.iter().any(|o| o.contains('C'));
    if !config || names.len() > 1 {
        eprintln!("Usage:\tzdb [-C] [<poolname>]");
        return 1;
    }
    let zfs = match Zfs::open_shared(root) {
        Ok(zfs) => zfs,
        Err(e) => {
            eprintln!("zdb: {e}");
            return 1;
        }
    };
    let all = zfs.pools();
    let wanted: Vec<&String> = match names.first() {
        Some(name) => vec![*name],
        None => all.iter().collect(),
    };
    for name in wanted {
        let Some(pool) = zfs.state.pools.get(name) else {
            eprintln!("zdb: can't open '{name}': No such file or directory");
            return 2;
        };
        let (guid, size, ashift) = (pool.guid, pool.size, pool.ashift);
        let txg = zfs.state.txg;
        let disk = guid.rotate_left(17);
        print!(
            "
MOS Configuration:
        version: 5000
        name: '{name}'
        state: 0
        txg: {txg}
        pool_guid: {guid}
        hostid: 1
        hostname: 'headnode'
        com.delphix:has_per_vdev_zaps
        vdev_children: 1
        vdev_tree:
            type: 'root'
            id: 0
            guid: {guid}
            create_txg: 4
            children[0]:
                type: 'disk'
                id: 0
                guid: {disk}
                path: '/dev/dsk/c1t0d0s0'
                devid: 'id1,sd@simulated/a'
                phys_path: '/pci@0,0/disk@0,0:a'
                whole_disk: 1
                metaslab_array: 256
                metaslab_shift: 32
                ashift: {ashift}
                asize: {size}
                is_log: 0
                create_txg: 4
        features_for_read:
            com.delphix:hole_birth
            com.delphix:embedded_data
"
        );
    }
    0
}
