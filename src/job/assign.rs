//! Static load balancing: tasks → ranks by predicted cost.
//!
//! Longest processing time first (Graham 1969): tasks in decreasing order of cost, each to the least loaded rank. No rank then exceeds
//! the mean load by more than the cost of the largest task. T tasks on R ranks take O(T log R) time; every rank computes its own share
//! without communication.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::{Group, Task};

/// The tasks of each of `ranks` ranks, most expensive first. Deterministic: all ranks compute the same shares.
pub fn assign(groups: &[Group], ranks: usize) -> Vec<Vec<Task>> {
    assign_wanted(groups, ranks, |_| true)
}

/// The same, of `wanted` tasks only.
pub fn assign_wanted(groups: &[Group], ranks: usize, wanted: impl Fn(Task) -> bool) -> Vec<Vec<Task>> {
    let mut shares = vec![Vec::new(); ranks];
    deal(groups, ranks, wanted, |rank, task| shares[rank].push(task));
    shares
}

/// `assign_wanted(groups, ranks, wanted)[rank]` without storing the other ranks' shares.
pub fn share_of(rank: usize, groups: &[Group], ranks: usize, wanted: impl Fn(Task) -> bool) -> Vec<Task> {
    let mut share = Vec::new();
    deal(groups, ranks, wanted, |to, task| {
        if to == rank {
            share.push(task);
        }
    });
    share
}

/// Calls `give(rank, task)` for every `wanted` task, in decreasing order of cost (ties: by group, then index).
fn deal(groups: &[Group], ranks: usize, wanted: impl Fn(Task) -> bool, mut give: impl FnMut(usize, Task)) {
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_by(|&a, &b| groups[b].seconds.total_cmp(&groups[a].seconds).then(a.cmp(&b)));
    let mut heap: BinaryHeap<Load> = (0..ranks).map(|rank| Load { seconds: 0.0, tasks: 0, rank }).collect();
    for group in order {
        for task in (0..groups[group].count).map(|index| Task { group, index }).filter(|&task| wanted(task)) {
            let Some(mut least) = heap.peek_mut() else { return };
            give(least.rank, task);
            least.seconds += groups[group].seconds;
            least.tasks += 1;
        }
    }
}

/// Seconds of each of `threads` threads that take `tasks` in order, each the next one when idle; `seconds` are those of a task.
pub fn loads_of_threads(tasks: &[Task], seconds: impl Fn(Task) -> f64, threads: usize) -> Vec<f64> {
    let mut heap: BinaryHeap<Load> = (0..threads).map(|rank| Load { seconds: 0.0, tasks: 0, rank }).collect();
    for &task in tasks {
        let Some(mut least) = heap.peek_mut() else { break };
        least.seconds += seconds(task);
    }
    heap.into_iter().map(|load| load.seconds).collect()
}

/// The load of one rank. Ordered in reverse, so that the top of a `BinaryHeap` is the least loaded rank.
#[derive(PartialEq)]
struct Load {
    seconds: f64,
    tasks: usize,
    rank: usize,
}

impl Ord for Load {
    fn cmp(&self, other: &Self) -> Ordering {
        let work = other.seconds.total_cmp(&self.seconds);
        work.then(other.tasks.cmp(&self.tasks)).then(other.rank.cmp(&self.rank))
    }
}

impl PartialOrd for Load {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for Load {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Unsorted groups with costs over six orders of magnitude, some of them equal.
    fn groups(groups: usize, count: usize) -> Vec<Group> {
        let group = |group: usize| Group { count, seconds: 10f64.powi((group * 7 % 13) as i32 / 2) * 1e-4, bytes: 0 };
        (0..groups).map(group).collect()
    }

    fn of_seconds(seconds: &[f64], count: usize) -> Vec<Group> {
        seconds.iter().map(|&seconds| Group { count, seconds, bytes: 0 }).collect()
    }

    fn load(share: &[Task], groups: &[Group]) -> f64 {
        share.iter().map(|task| groups[task.group].seconds).sum()
    }

    fn total(groups: &[Group]) -> f64 {
        groups.iter().map(|group| group.seconds * group.count as f64).sum()
    }

    fn largest(groups: &[Group]) -> f64 {
        groups.iter().map(|group| group.seconds).fold(0.0, f64::max)
    }

    #[test]
    fn every_task_is_dealt_exactly_once() {
        for (count, tasks, ranks) in [(1, 1, 1), (13, 7, 3), (40, 100, 64), (3, 2, 50), (0, 5, 4)] {
            let mut dealt: Vec<Task> = assign(&groups(count, tasks), ranks).concat();
            dealt.sort();
            let all: Vec<Task> = (0..count).flat_map(|group| (0..tasks).map(move |index| Task { group, index })).collect();
            assert_eq!(dealt, all, "{count} groups, {tasks} tasks, {ranks} ranks");
        }
    }

    #[test]
    fn no_rank_exceeds_the_mean_by_more_than_the_largest_task() {
        for ranks in [2, 3, 7, 64, 1000] {
            let groups = groups(40, 100);
            let mean = total(&groups) / ranks as f64;
            let most = assign(&groups, ranks).iter().map(|share| load(share, &groups)).fold(0.0, f64::max);
            let largest = largest(&groups);
            assert!(most <= (mean + largest) * (1.0 + 1e-12), "{ranks} ranks: {most} with mean {mean} and largest {largest}");
        }
    }

    #[test]
    fn shares_are_in_decreasing_order_of_cost() {
        let groups = groups(30, 11);
        for share in assign(&groups, 5) {
            assert!(share.windows(2).all(|pair| groups[pair[0].group].seconds >= groups[pair[1].group].seconds));
        }
    }

    #[test]
    fn a_rank_computes_its_own_share() {
        let groups = groups(25, 9);
        let shares = assign(&groups, 7);
        assert_eq!(shares, assign(&groups, 7));
        for (rank, share) in shares.iter().enumerate() {
            assert_eq!(&share_of(rank, &groups, 7, |_| true), share);
        }
    }

    #[test]
    fn idle_threads_take_the_next_task() {
        let tasks: Vec<Task> = (0..4).map(|group| Task { group, index: 0 }).collect();
        let mut loads = loads_of_threads(&tasks, |task| [5.0, 2.0, 2.0, 2.0][task.group], 2);
        loads.sort_by(f64::total_cmp);
        assert_eq!(loads, [5.0, 6.0]);
        assert_eq!(loads_of_threads(&tasks, |_| 1.0, 8).iter().sum::<f64>(), 4.0);
    }

    #[test]
    fn unwanted_tasks_are_left_out_and_the_rest_is_balanced() {
        let groups = groups(25, 9);
        let wanted = |task: Task| task.group % 3 != 1 && task.index != 4;
        let shares: Vec<Vec<Task>> = (0..7).map(|rank| share_of(rank, &groups, 7, wanted)).collect();
        assert_eq!(shares, assign_wanted(&groups, 7, wanted));
        let mut tasks = shares.concat();
        tasks.sort();
        let all = (0..25).flat_map(|group| (0..9).map(move |index| Task { group, index }));
        assert_eq!(tasks, all.filter(|&task| wanted(task)).collect::<Vec<_>>());
        let loads: Vec<f64> = shares.iter().map(|share| load(share, &groups)).collect();
        let (least, most) = (loads.iter().copied().fold(f64::MAX, f64::min), loads.iter().copied().fold(0.0, f64::max));
        assert!(most - least <= largest(&groups), "{loads:?}");
    }

    #[test]
    fn more_ranks_than_tasks_leaves_ranks_idle() {
        let shares = assign(&of_seconds(&[1.0, 2.0], 2), 10);
        assert_eq!(shares.iter().filter(|share| share.len() == 1).count(), 4);
        assert_eq!(shares.iter().filter(|share| share.is_empty()).count(), 6);
    }

    #[test]
    fn tasks_that_cost_nothing_are_still_spread() {
        assert!(assign(&of_seconds(&[0.0], 12), 4).iter().all(|share| share.len() == 3));
    }

    #[test]
    fn a_million_tasks_on_ten_thousand_ranks() {
        let groups = groups(1000, 1000);
        let shares = assign(&groups, 10_000);
        assert_eq!(shares.iter().map(Vec::len).sum::<usize>(), 1_000_000);
        let mean = total(&groups) / 10_000.0;
        let most = shares.iter().map(|share| load(share, &groups)).fold(0.0, f64::max);
        assert!(most < 1.01 * mean, "{most}, mean {mean}");
    }
}
