//! What keeps the memory of a host, where its secrets are, off the disk?
use std::{fs, io, path::Path};

/// From now on, neither this process nor what it starts is written to a file when it crashes (CWE-528). On Linux its
/// memory is open to no other process of the same user, either (prctl(2), `PR_SET_DUMPABLE`). On Windows nothing
/// changes: reports of errors are a setting of the machine there.
pub fn forbid_core_dumps() -> io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    }
    // A machine that hands dumps to a program does so whatever the limit is (core(5)).
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    }
    Ok(())
}

/// Where memory of this process can be written to, for there is not enough of it: each device or file of proc(5),
/// `/proc/swaps`. Compressed memory is none, and nothing is where a group of this process's may swap nothing
/// (cgroup v2, `memory.swap.max`). `root` is `/`.
///
/// # Errors
/// Where it cannot be told; on other systems than Linux always.
pub fn swapped_to(root: &Path) -> io::Result<Vec<String>> {
    if !cfg!(target_os = "linux") {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let swaps = fs::read_to_string(root.join("proc/swaps"))?;
    let names = swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    let disks: Vec<String> =
        names.filter(|name| !name.starts_with("/dev/zram")).map(str::to_owned).collect();
    if disks.is_empty() || may_swap_nothing(root)? { Ok(Vec::new()) } else { Ok(disks) }
}

/// Whether a group that this process is in, or one around that, forbids it.
fn may_swap_nothing(root: &Path) -> io::Result<bool> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup"))?;
    let Some(group) = groups.lines().find_map(|line| line.strip_prefix("0::/")) else {
        return Ok(false);
    };
    let limit = |group: &Path| {
        let most = root.join("sys/fs/cgroup").join(group).join("memory.swap.max");
        fs::read_to_string(most).is_ok_and(|most| most.trim() == "0")
    };
    Ok(Path::new(group).ancestors().any(limit))
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

    use super::*;

    const DISK: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n\
        /dev/zram0                              partition\t4194300\t\t0\t\t100\n\
        /swap.img                               file\t\t2097148\t\t1292\t\t-2\n";

    /// What a machine says of itself.
    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    /// I-30, of this process; the program is `cli/memory` of the tests.
    #[test]
    fn a_process_that_forbids_core_dumps_leaves_none() {
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::Dumpable);
        forbid_core_dumps().unwrap();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        let limit = getrlimit(Resource::Core);
        assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
    }

    /// I-35.
    #[test]
    fn a_disk_that_is_swapped_to_is_named_and_compressed_memory_is_none() {
        let group = ("proc/self/cgroup", "0::/system.slice/toolward.service\n");
        let told = machine(&[("proc/swaps", DISK), group]);
        assert_eq!(swapped_to(told.path()).unwrap(), ["/swap.img"]);
        let without: Vec<&str> = DISK.lines().take(2).collect();
        let told = machine(&[("proc/swaps", &without.join("\n")), group]);
        assert!(swapped_to(told.path()).unwrap().is_empty());
    }

    #[test]
    fn a_group_that_may_swap_nothing_is_swapped_nowhere() {
        let group = ("proc/self/cgroup", "1:name=old:/\n0::/system.slice/toolward.service\n");
        let limit = "sys/fs/cgroup/system.slice/toolward.service/memory.swap.max";
        let around = "sys/fs/cgroup/system.slice/memory.swap.max";
        for (limits, disks) in [
            ([(limit, "0\n"), (around, "max\n")], 0),
            ([(limit, "max\n"), (around, "0\n")], 0),
            ([(limit, "max\n"), (around, "1048576\n")], 1),
        ] {
            let told = machine(&[&[("proc/swaps", DISK), group], limits.as_slice()].concat());
            assert_eq!(swapped_to(told.path()).unwrap().len(), disks, "{limits:?}");
        }
    }

    #[test]
    fn a_machine_that_does_not_say_where_it_swaps_is_not_taken_for_one_that_does_not() {
        swapped_to(machine(&[]).path()).unwrap_err();
        swapped_to(machine(&[("proc/swaps", DISK)]).path()).unwrap_err();
    }
}
