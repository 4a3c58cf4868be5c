//! Static load balancing: tasks → ranks by predicted cost.
//!
//! Longest processing time first (Graham 1969): tasks in decreasing order of cost, each to the least loaded rank. No rank then exceeds
//! the mean load by more than the cost of the largest task. T tasks on R ranks take O(T log R) time; every rank computes its own share
//! without communication.
//!
//! Within a rank cheap tasks are started before the others ([`starting_order`]), which does not change its load.
//!
//! Tasks for teams come first, those of the largest teams before others: a team of r ranks is a block of r consecutive ranks, and each task goes to
//! the block that is free first. Sizes of teams divide each other, so a block has blocks of smaller teams within it, which start together.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Range;

use super::{Group, Task};

/// Largest share of a thread's time that a cheap task takes, see [`starting_order`].
const CHEAP: f64 = 0.005;

/// The tasks of a rank.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Share {
    /// Those of its teams, which are first: in the order of all members, by decreasing number of ranks.
    pub in_teams: Vec<Task>,
    /// When the last of them ends, in predicted seconds from the start.
    pub teams_end: f64,
    /// Those of single threads, most expensive first.
    pub single: Vec<Task>,
}

impl Share {
    fn push(&mut self, task: Task, groups: &[Group]) {
        match groups[task.group].team {
            Some(_) => self.in_teams.push(task),
            None => self.single.push(task),
        }
    }

    /// All tasks.
    pub fn tasks(&self) -> impl Iterator<Item = Task> {
        self.in_teams.iter().chain(&self.single).copied()
    }

    /// Seconds until the last of `threads` threads is done, if a task takes `seconds` from start to end. No rank waits for others: those of a team
    /// have had the same tasks before.
    pub fn seconds(&self, threads: usize, seconds: impl Fn(Task) -> f64) -> f64 {
        let in_teams: f64 = self.in_teams.iter().map(|&task| seconds(task)).sum();
        in_teams + loads_of_threads(&self.single, threads, seconds).into_iter().fold(0.0, f64::max)
    }
}

/// The tasks of each rank; `threads` are their worker threads. Deterministic: all ranks compute the same shares.
pub fn assign(groups: &[Group], threads: &[u64]) -> Vec<Share> {
    assign_wanted(groups, threads, |_| true)
}

/// The same, of `wanted` tasks only.
pub fn assign_wanted(groups: &[Group], threads: &[u64], wanted: impl Fn(Task) -> bool) -> Vec<Share> {
    let mut shares = vec![Share::default(); threads.len()];
    let ends = deal(groups, threads, wanted, |ranks, task| ranks.for_each(|rank| shares[rank].push(task, groups)));
    shares.iter_mut().zip(ends).for_each(|(share, end)| share.teams_end = end);
    shares
}

/// `assign_wanted(groups, threads, wanted)[rank]` without storing the other ranks' shares.
pub fn share_of(rank: usize, groups: &[Group], threads: &[u64], wanted: impl Fn(Task) -> bool) -> Share {
    let mut share = Share::default();
    let ends = deal(groups, threads, wanted, |ranks, task| {
        if ranks.contains(&rank) {
            share.push(task, groups);
        }
    });
    share.teams_end = ends[rank];
    share
}

/// Ranks of the teams of `groups`, in decreasing order.
pub fn levels(groups: &[Group]) -> Vec<usize> {
    let mut levels: Vec<usize> = groups.iter().filter_map(|group| Some(group.team?.ranks)).collect();
    levels.sort_unstable_by(|a, b| b.cmp(a));
    levels.dedup();
    levels
}

/// Calls `give(ranks, task)` for every `wanted` task: those of teams, and of each kind in decreasing order of cost (ties: by group, then index).
/// Returns when the tasks of teams end on each rank.
fn deal(groups: &[Group], threads: &[u64], wanted: impl Fn(Task) -> bool, mut give: impl FnMut(Range<usize>, Task)) -> Vec<f64> {
    let tasks = |of: Option<usize>, seconds: fn(&Group) -> f64| {
        let mut order: Vec<usize> = (0..groups.len()).filter(|&group| groups[group].team.map(|team| team.ranks) == of).collect();
        order.sort_by(|&a, &b| seconds(&groups[b]).total_cmp(&seconds(&groups[a])).then(a.cmp(&b)));
        order.into_iter().flat_map(|group| (0..groups[group].count).map(move |index| Task { group, index }))
    };
    let mut ends = vec![0.0; threads.len()];
    for ranks in levels(groups) {
        let blocks = ends.chunks_exact(ranks).enumerate();
        let free = |block: &[f64]| block.iter().copied().fold(0.0, f64::max);
        let mut heap: BinaryHeap<Load> = blocks.map(|(number, block)| Load { seconds: free(block), tasks: 0, number }).collect();
        for task in tasks(Some(ranks), Group::duration).filter(|&task| wanted(task)) {
            let mut first = heap.peek_mut().expect("no team has more ranks than the job");
            give(first.number * ranks..(first.number + 1) * ranks, task);
            first.seconds += groups[task.group].duration();
            first.tasks += 1;
        }
        for Load { seconds, number, tasks } in heap {
            if tasks > 0 {
                ends[number * ranks..(number + 1) * ranks].fill(seconds);
            }
        }
    }
    let mut heap: BinaryHeap<Load> = ends.iter().enumerate().map(|(number, &seconds)| Load { seconds, tasks: 0, number }).collect();
    for task in tasks(None, |group| group.seconds).filter(|&task| wanted(task)) {
        let Some(mut least) = heap.peek_mut() else { break };
        give(least.number..least.number + 1, task);
        least.seconds += groups[task.group].seconds / threads[least.number] as f64;
        least.tasks += 1;
    }
    ends
}

/// The order in which the threads of a rank start `tasks`, which are in decreasing order of cost: cheap ones first, by increasing cost, then the others
/// as they are. In a grid most groups are cheap: they are complete early, and rank 0 has the whole job to receive and write them. A task is cheap if
/// it takes less than [`CHEAP`] of a thread's time, so that those at the end do not leave threads idle for longer than that.
pub fn starting_order(tasks: &[Task], groups: &[Group], threads: usize) -> Vec<Task> {
    let seconds = |task: &Task| groups[task.group].seconds;
    let limit = CHEAP * tasks.iter().map(seconds).sum::<f64>() / threads as f64;
    let (costly, cheap) = tasks.split_at(tasks.partition_point(|task| seconds(task) >= limit));
    // Tasks of one group in order.
    let cheap = cheap.chunk_by(|a, b| a.group == b.group).rev().flatten();
    cheap.chain(costly).copied().collect()
}

/// Seconds of each of `threads` threads that take `tasks` in order, each the next one when idle.
pub fn loads_of_threads(tasks: &[Task], threads: usize, seconds: impl Fn(Task) -> f64) -> Vec<f64> {
    let mut heap: BinaryHeap<Load> = (0..threads).map(|number| Load { seconds: 0.0, tasks: 0, number }).collect();
    for &task in tasks {
        let Some(mut least) = heap.peek_mut() else { break };
        least.seconds += seconds(task);
    }
    heap.into_iter().map(|load| load.seconds).collect()
}

/// The load of one rank or block of ranks. Ordered in reverse, so that the top of a `BinaryHeap` is the least loaded.
#[derive(PartialEq)]
struct Load {
    seconds: f64,
    tasks: usize,
    number: usize,
}

impl Ord for Load {
    fn cmp(&self, other: &Self) -> Ordering {
        let work = other.seconds.total_cmp(&self.seconds);
        work.then(other.tasks.cmp(&self.tasks)).then(other.number.cmp(&self.number))
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
    use crate::job::TeamTime;

    /// Unsorted groups with costs over six orders of magnitude, some of them equal.
    fn groups(groups: usize, count: usize) -> Vec<Group> {
        let group = |group: usize| Group::on_threads(count, 10f64.powi((group * 7 % 13) as i32 / 2) * 1e-4, 0);
        (0..groups).map(group).collect()
    }

    fn of_seconds(seconds: &[f64], count: usize) -> Vec<Group> {
        seconds.iter().map(|&seconds| Group::on_threads(count, seconds, 0)).collect()
    }

    /// [`super::assign`] of tasks for single threads, to ranks of one thread.
    fn assign(groups: &[Group], ranks: usize) -> Vec<Vec<Task>> {
        let shares = super::assign(groups, &vec![1; ranks]);
        assert!(shares.iter().all(|share| share.in_teams.is_empty() && share.teams_end == 0.0));
        shares.into_iter().map(|share| share.single).collect()
    }

    fn single_of(rank: usize, groups: &[Group], ranks: usize, wanted: impl Fn(Task) -> bool) -> Vec<Task> {
        share_of(rank, groups, &vec![1; ranks], wanted).single
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

    /// Groups of 100 s down to 1 ms in a share of some 560 s: those below 0.5 % of it, divided among the threads, come first, cheapest before others.
    #[test]
    fn cheap_tasks_start_first_and_costly_ones_in_decreasing_order() {
        let groups = of_seconds(&[100.0, 3.0, 0.001, 10.0, 2.0, 0.001], 5);
        let tasks = assign(&groups, 1).concat();
        assert!((load(&tasks, &groups) - 575.01).abs() < 1e-9);
        let order_of = |threads: usize| {
            let order = starting_order(&tasks, &groups, threads);
            let mut sorted = order.clone();
            sorted.sort();
            assert!(sorted == (0..6).flat_map(|group| (0..5).map(move |index| Task { group, index })).collect::<Vec<_>>());
            assert!(order.chunks(5).all(|of_group| of_group.is_sorted_by_key(|task| task.index)), "by index within a group");
            order.iter().step_by(5).map(|task| task.group).collect::<Vec<_>>()
        };
        // Below 2.88 s, 1.44 s and 0.00001 s.
        assert_eq!(order_of(1), [5, 2, 4, 0, 3, 1]);
        assert_eq!(order_of(2), [5, 2, 0, 3, 1, 4]);
        assert_eq!(order_of(1_000_000), [0, 3, 1, 4, 2, 5]);
        assert!(starting_order(&[], &groups, 3).is_empty());
    }

    /// Whatever the costs, threads that take the tasks in this order end within 0.5 % of the mean, or as with all in decreasing order.
    #[test]
    fn cheap_tasks_first_do_not_unbalance_threads() {
        for (count, tasks) in [(7, 3), (25, 9), (40, 100)] {
            let groups = groups(count, tasks);
            let all = assign(&groups, 1).concat();
            for threads in [1, 2, 7, 64] {
                let end = |order: &[Task]| {
                    loads_of_threads(order, threads, |task| groups[task.group].seconds).into_iter().fold(0.0, f64::max)
                };
                let (mean, longest) = (load(&all, &groups) / threads as f64, largest(&groups));
                let most = (mean * (1.0 + CHEAP)).max(end(&all)).max(mean + longest * (1.0 - 1.0 / threads as f64));
                let found = end(&starting_order(&all, &groups, threads));
                assert!(found <= most * (1.0 + 1e-12), "{count} × {tasks} on {threads}: {found}, {most}");
            }
        }
    }

    #[test]
    fn a_rank_computes_its_own_share() {
        let groups = groups(25, 9);
        let shares = assign(&groups, 7);
        assert_eq!(shares, assign(&groups, 7));
        for (rank, share) in shares.iter().enumerate() {
            assert_eq!(&single_of(rank, &groups, 7, |_| true), share);
        }
    }

    #[test]
    fn idle_threads_take_the_next_task() {
        let tasks: Vec<Task> = (0..4).map(|group| Task { group, index: 0 }).collect();
        let mut loads = loads_of_threads(&tasks, 2, |task| [5.0, 2.0, 2.0, 2.0][task.group]);
        loads.sort_by(f64::total_cmp);
        assert_eq!(loads, [5.0, 6.0]);
        assert_eq!(loads_of_threads(&tasks, 8, |_| 1.0).iter().sum::<f64>(), 4.0);
    }

    #[test]
    fn unwanted_tasks_are_left_out_and_the_rest_is_balanced() {
        let groups = groups(25, 9);
        let wanted = |task: Task| task.group % 3 != 1 && task.index != 4;
        let shares: Vec<Vec<Task>> = (0..7).map(|rank| single_of(rank, &groups, 7, wanted)).collect();
        let all: Vec<Vec<Task>> = assign_wanted(&groups, &[1; 7], wanted).into_iter().map(|share| share.single).collect();
        assert_eq!(shares, all);
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

    /// Groups for teams of these numbers of ranks (0: one thread), with costs over three orders of magnitude.
    fn teamed(levels: &[usize], count: usize) -> Vec<Group> {
        let group = |(number, &ranks): (usize, &usize)| {
            let seconds = 10f64.powi((number * 5 % 7) as i32 / 2) * 1e-2;
            let team = (ranks > 0).then_some(TeamTime { ranks, seconds: 1.1 * seconds / ranks as f64 });
            Group { team, ..Group::on_threads(count, seconds, 0) }
        };
        levels.iter().enumerate().map(group).collect()
    }

    /// Runs the shares as the program does: a task of a team starts once all of its ranks have come to it.
    fn ends_of_teams(shares: &[Share], groups: &[Group]) -> Vec<f64> {
        let (mut now, mut next) = (vec![0.0_f64; shares.len()], vec![0; shares.len()]);
        loop {
            let waiting = |rank: usize| shares[rank].in_teams.get(next[rank]).copied();
            let Some(first) = (0..shares.len()).find(|&rank| {
                waiting(rank).is_some_and(|task| {
                    let ranks = groups[task.group].team.unwrap().ranks;
                    let block = rank / ranks * ranks;
                    block == rank && (block..block + ranks).all(|member| member < shares.len() && waiting(member) == Some(task))
                })
            }) else {
                let stuck = (0..shares.len()).filter(|&rank| waiting(rank).is_some()).count();
                assert_eq!(stuck, 0, "ranks that wait for a member that never comes");
                return now;
            };
            let team = groups[waiting(first).unwrap().group].team.unwrap();
            let begin = (first..first + team.ranks).map(|rank| now[rank]).fold(0.0, f64::max);
            for rank in first..first + team.ranks {
                (now[rank], next[rank]) = (begin + team.seconds, next[rank] + 1);
            }
        }
    }

    #[test]
    fn members_of_teams_meet_at_every_task_and_none_is_left_out() {
        for (levels, ranks) in [
            (&[4, 2, 1, 0, 4, 0, 2][..], 8),
            (&[4, 0, 1, 2], 7),
            (&[3, 0, 3], 3),
            (&[6, 3, 1, 0], 13),
            (&[1, 1, 0], 2),
            (&[64, 16, 4, 0, 0, 0, 16], 100),
        ] {
            let groups = teamed(levels, 9);
            let threads: Vec<u64> = (0..ranks).map(|rank| 1 + rank % 3).collect();
            let shares = super::assign(&groups, &threads);
            for (rank, share) in shares.iter().enumerate() {
                assert_eq!(&share_of(rank, &groups, &threads, |_| true), share);
            }
            for (end, share) in ends_of_teams(&shares, &groups).into_iter().zip(&shares) {
                assert!((end - share.teams_end).abs() < 1e-9, "{end}, {}", share.teams_end);
            }
            for (group, of) in groups.iter().enumerate() {
                for index in 0..of.count {
                    let task = Task { group, index };
                    let with = shares.iter().filter(|share| share.tasks().any(|other| other == task)).count();
                    assert_eq!(with, of.team.map_or(1, |team| team.ranks), "{task:?} of {levels:?} on {ranks} ranks");
                }
            }
        }
    }

    #[test]
    fn teams_end_no_later_than_the_mean_and_the_largest_tasks_allow() {
        for (levels, ranks) in [(&[8, 4, 2, 1, 0, 0, 4][..], 32), (&[16, 1, 0], 16), (&[4, 0, 0, 0, 2], 64)] {
            let groups = teamed(levels, 40);
            for threads in [1, 3] {
                let shares = super::assign(&groups, &vec![threads; ranks]);
                let area = groups.iter().map(|group| {
                    let of_one = group.team.map_or(group.seconds / threads as f64, |team| team.seconds * team.ranks as f64);
                    of_one * group.count as f64
                });
                let mean = area.sum::<f64>() / ranks as f64;
                // A level ends within its largest task of its mean, a rank's threads within theirs.
                let slack: f64 = super::levels(&groups)
                    .into_iter()
                    .map(|ranks| {
                        let of_level = groups.iter().filter_map(|group| group.team.filter(|team| team.ranks == ranks));
                        of_level.map(|team| team.seconds).fold(0.0, f64::max)
                    })
                    .sum();
                let most = shares
                    .iter()
                    .map(|share| share.seconds(threads as usize, |task| groups[task.group].duration()))
                    .fold(0.0, f64::max);
                assert!(most >= mean * (1.0 - 1e-12) && most <= mean + slack + 2.0 * largest(&groups), "{most}, mean {mean}");
            }
        }
    }

    #[test]
    fn single_tasks_fill_ranks_that_no_team_has() {
        // Three ranks: a team of two, and one that is left over.
        let groups = [
            Group { team: Some(TeamTime { ranks: 2, seconds: 5.0 }), ..Group::on_threads(2, 10.0, 0) },
            Group::on_threads(10, 1.0, 0),
        ];
        let shares = super::assign(&groups, &[1; 3]);
        assert_eq!(
            shares.iter().map(|share| (share.in_teams.len(), share.single.len())).collect::<Vec<_>>(),
            [(2, 0), (2, 0), (0, 10)]
        );
    }
}
