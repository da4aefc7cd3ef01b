//! Can a page of this process be swapped out?
//!
//! Up to version 50, wasmtime's scan of dirty pages does not see those that were swapped out: it would leave them
//! as they are, and the next call in the slot would read them. The scan is on only where that cannot happen.
use std::{fs, path::Path};

/// Whether the machine has no swap, or this process may use none of it.
pub(crate) fn impossible() -> bool {
    impossible_below(Path::new("/"))
}

fn impossible_below(root: &Path) -> bool {
    let read = |path: &str| fs::read_to_string(root.join(path)).ok();
    // One heading, and a line for each place.
    let none = read("proc/swaps").is_some_and(|swaps| swaps.lines().count() == 1);
    none || read("proc/self/cgroup").is_some_and(|groups| forbidden(&groups, &read))
}

/// Whether the control group of this process allows no swap (cgroup v2: the line `0::PATH`).
fn forbidden(groups: &str, read: &dyn Fn(&str) -> Option<String>) -> bool {
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"));
    let limit = group.and_then(|group| read(&format!("sys/fs/cgroup/{group}/memory.swap.max")));
    limit.is_some_and(|limit| limit.trim() == "0")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::impossible_below;

    fn machine(swaps: &str, limit: Option<&str>) -> bool {
        let root = tempfile::tempdir().unwrap();
        let group = root.path().join("sys/fs/cgroup/host");
        fs::create_dir_all(root.path().join("proc/self")).unwrap();
        fs::create_dir_all(&group).unwrap();
        fs::write(root.path().join("proc/swaps"), swaps).unwrap();
        fs::write(root.path().join("proc/self/cgroup"), "1:cpu:/x\n0::/host\n").unwrap();
        if let Some(limit) = limit {
            fs::write(group.join("memory.swap.max"), limit).unwrap();
        }
        impossible_below(root.path())
    }

    const NONE: &str = "Filename Type Size Used Priority\n";
    const SOME: &str = "Filename Type Size Used Priority\n/dev/sda2 partition 8 0 -2\n";

    #[test]
    fn without_a_place_to_swap_to_it_is_impossible() {
        assert!(machine(NONE, None));
        assert!(!machine(SOME, None));
    }

    #[test]
    fn a_control_group_can_forbid_it() {
        assert!(machine(SOME, Some("0\n")));
        assert!(!machine(SOME, Some("max\n")));
        assert!(!machine(SOME, Some("4096\n")));
    }

    #[test]
    fn what_cannot_be_read_counts_as_possible() {
        assert!(!impossible_below(tempfile::tempdir().unwrap().path()));
    }
}
