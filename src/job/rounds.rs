//! The work of a rank, round after round.
//!
//! Within a round there is no barrier: every rank runs its share and sends the results ([`gather`]). At its end all ranks meet, and rank 0
//! broadcasts the tasks of the next round or the exit code.

use std::thread;
use std::time::Instant;

use crossbeam_channel::unbounded;

use super::assign::{Share, starting_order};
use super::gather;
use super::prepare::{Job, Past};
use super::queue::TaskQueue;
use super::root::Root;
use super::stop::Stop;
use super::workers::{self, Place};
use crate::comm::Comm;
use crate::comm::failure::{Failure, end_job};
use crate::error::{EXIT_AGAIN, Failed};

/// On ranks other than 0: runs their tasks, round after round. `share` are those of the first.
pub fn work(comm: &dyn Comm, job: &Job, mut share: Share, stop: &Stop) {
    loop {
        let next = compute(comm, job, &share, stop, |finished, queue| {
            gather::send(comm, finished, queue, stop)?;
            match common_end(comm, Next::End(0)) {
                // Without joining the workers: a running task may take minutes.
                Next::End(code) if code != 0 => comm.leave(code),
                next => Ok(next),
            }
        });
        let Next::Round(round) = next else { return };
        share = job.share(comm, round);
    }
}

/// On rank 0: runs its tasks, gathers the results of all ranks, round after round, and writes the output. `share` are its tasks of the first.
pub fn work_and_write(comm: &dyn Comm, job: &Job, past: Past, mut share: Share, stop: &Stop) {
    let mut root = Root::new(job, past, &share);
    let root = loop {
        let (same, next) = compute(comm, job, &share, stop, |finished, queue| {
            let gathered = gather::collect(comm, finished, queue, stop, &mut root).inspect_err(|_| root.rescue())?;
            if root.is_round_complete() {
                let next = root.next_round().inspect_err(|_| root.rescue())?;
                if next.is_none() || gathered.stopping.is_none() {
                    return Ok((root, next));
                }
            }
            root.leave(stop, gathered.stopping.unwrap_or_else(Instant::now))?;
            if !gathered.all_answered {
                comm.abort(EXIT_AGAIN);
            }
            common_end(comm, Next::End(EXIT_AGAIN));
            comm.leave(EXIT_AGAIN)
        });
        root = same;
        let Some(round) = next else { break root };
        common_end(comm, Next::Round(round.clone()));
        share = job.share(comm, round);
    };
    if let Err(error) = root.finish(stop) {
        end_job(comm, &Failure::Error(error));
    }
    common_end(comm, Next::End(0));
}

/// What follows a round.
enum Next {
    /// The end of the job, with this exit code.
    End(i32),
    /// Another round, as [`Bits`](super::store::Bits) of its tasks.
    Round(Vec<u8>),
}

/// Waits for all ranks; returns the `next` of rank 0. Collective.
fn common_end(comm: &dyn Comm, next: Next) -> Next {
    comm.barrier();
    let bytes = comm.broadcast(match next {
        Next::End(code) => code.to_le_bytes().to_vec(),
        Next::Round(round) => [&0i32.to_le_bytes()[..], &round].concat(),
    });
    comm.start_round();
    match bytes.split_first_chunk().expect("at least four bytes") {
        (code, []) => Next::End(i32::from_le_bytes(*code)),
        (_, round) => Next::Round(round.to_vec()),
    }
}

/// Runs `share`, this rank's tasks of a round, on its worker threads while `serve` handles their results on this thread.
fn compute<T>(
    comm: &dyn Comm,
    job: &Job,
    share: &Share,
    stop: &Stop,
    serve: impl FnOnce(&workers::Finished, &TaskQueue) -> Result<T, Failure>,
) -> T {
    let order = starting_order(&share.single, &job.groups, job.threads);
    let tasks = order.into_iter().map(|task| (task, job.groups[task.group].bytes));
    let queue = TaskQueue::new(tasks, job.client.memory());
    let rank = comm.rank();
    let busy = if share.in_teams.is_empty() { job.threads.min(share.single.len()) } else { job.threads };
    thread::scope(|scope| {
        let (sender, finished) = unbounded();
        for thread in 0..busy {
            let (queue, sender) = (&queue, sender.clone());
            let worker = thread::Builder::new().name(format!("worker-{thread}"));
            // The job ends within the scope, here and below: leaving it would join workers whose tasks may take minutes.
            if let Err(error) =
                worker.spawn_scoped(scope, move || workers::start(Place { rank, thread }, job, share, queue, stop, &sender))
            {
                let failed = Failed::new("cannot start a worker thread", error, "give fewer --threads, or raise ulimit -u");
                end_job(comm, &Failure::Error(failed.into()));
            }
        }
        drop(sender);
        serve(&finished, &queue).unwrap_or_else(|failure| end_job(comm, &failure))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use toml::Table;

    use super::*;
    use crate::comm::Serial;
    use crate::files::Target;
    use crate::job::journal::{Header, Journal, path_of};
    use crate::job::prepare::{Part, check_round, prepare};
    use crate::job::tests::{Squares, square};
    use crate::job::{Client, Group, Nouns, Product, Resources, Settings, Store, Task, TeamTime, Worker};
    use crate::provenance::Provenance;
    use crate::team::Team;

    const GROUPS: usize = 40;
    const WANTED: usize = 23;

    /// Bisects its groups, of two tasks each, for the number [`WANTED`]. Only the first and the last group are in the first round.
    struct Bisection {
        squares: Squares,
        groups: Vec<Group>,
        /// Members that have computed their part of a task of a team.
        parts: AtomicUsize,
        /// The tasks whose results the product saw.
        seen: Mutex<Vec<Task>>,
    }

    impl Bisection {
        fn new() -> Self {
            let squares = Squares::new(&[2; GROUPS]);
            Self { groups: squares.groups().to_vec(), squares, parts: AtomicUsize::new(0), seen: Mutex::new(Vec::new()) }
        }

        /// Every other group is for teams of the threads of a rank.
        fn in_teams() -> Self {
            let mut client = Self::new();
            client.groups.iter_mut().step_by(2).for_each(|group| group.team = Some(TeamTime { ranks: 1, seconds: 0.5 }));
            client
        }
    }

    /// Adds up the square of an index with the other members.
    struct Member<'c> {
        team: Team,
        parts: &'c AtomicUsize,
    }

    impl Worker for Member<'_> {
        fn run(&mut self, task: Task) -> anyhow::Result<Vec<u8>> {
            self.parts.fetch_add(1, Ordering::Relaxed);
            let neurons = 100 * task.index.pow(2);
            let sum = crate::team::Share::of(neurons, &self.team).sum(1, |range, sum| sum[0] += range.len() as f64);
            Ok((sum[0] as u64 / 100).to_le_bytes().to_vec())
        }
    }

    impl Client for Bisection {
        fn identity(&self) -> Table {
            self.squares.identity()
        }
        fn groups(&self) -> &[Group] {
            &self.groups
        }
        fn is_in_first_round(&self, task: Task) -> bool {
            task.group == 0 || task.group == GROUPS - 1
        }
        fn more(&self, store: &Store) -> anyhow::Result<Vec<Task>> {
            let (mut low, mut high) = (0, GROUPS - 1);
            while high - low > 1 {
                let group = (low + high) / 2;
                let missing = (0..2).map(|index| Task { group, index }).filter(|&task| store.get(task).is_none());
                let missing: Vec<Task> = missing.collect();
                if !missing.is_empty() {
                    return Ok(missing);
                }
                if group < WANTED { low = group } else { high = group }
            }
            Ok(Vec::new())
        }
        fn memory(&self) -> u64 {
            self.squares.memory()
        }
        fn largest_result(&self) -> usize {
            self.squares.largest_result()
        }
        fn worker(&self) -> Box<dyn Worker + '_> {
            self.squares.worker()
        }
        fn worker_in(&self, team: &Team) -> Box<dyn Worker + '_> {
            Box::new(Member { team: team.clone(), parts: &self.parts })
        }
        fn check(&self, task: Task, result: &[u8]) -> Result<(), String> {
            self.squares.check(task, result)
        }
        fn summary(&self) -> String {
            self.squares.summary()
        }
        fn nouns(&self) -> Nouns {
            self.squares.nouns()
        }
        fn is_finished(&self, _path: &Path) -> bool {
            false
        }
        fn product(&self, store: &mut Store, _provenance: Provenance) -> anyhow::Result<Option<Box<dyn Product>>> {
            *self.seen.lock().unwrap() = store.tasks().collect();
            Ok(None)
        }
    }

    fn settings(out: &Path) -> Settings {
        Settings {
            threads: Some(2),
            memory: None,
            out: out.to_path_buf(),
            overwrite: true,
            fresh: false,
            snapshot: None,
            max_time: None,
            grace: Duration::from_secs(1),
            quiet: true,
            command_line: String::new(),
        }
    }

    /// Runs the job at `out`; returns the tasks of its first round, and all tasks whose results it has in the end.
    fn run(out: &Path) -> (Vec<Task>, Vec<Task>) {
        run_client(out, &Bisection::new())
    }

    fn run_client(out: &Path, client: &Bisection) -> (Vec<Task>, Vec<Task>) {
        let resources = Resources { threads: 2, memory: u64::MAX };
        let (job, part, share) = prepare(&Serial, client, settings(out), resources, String::new()).unwrap();
        let Part::Root(past) = part else { panic!("not rank 0") };
        work_and_write(&Serial, &job, *past, share.clone(), &Stop::listen(None, Duration::from_secs(1)).unwrap());
        (share.tasks().collect(), std::mem::take(&mut client.seen.lock().unwrap()))
    }

    fn tasks_of(groups: &[usize]) -> Vec<Task> {
        let mut groups = groups.to_vec();
        groups.sort_unstable();
        groups.into_iter().flat_map(|group| (0..2).map(move |index| Task { group, index })).collect()
    }

    /// The groups of a bisection of 0 … 39 for 23, in order.
    const ASKED: [usize; 8] = [0, 39, 19, 29, 24, 21, 22, 23];

    #[test]
    fn rounds_follow_until_the_client_wants_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let (first, seen) = run(&dir.path().join("whole"));
        assert_eq!((first, seen), (tasks_of(&ASKED[..2]), tasks_of(&ASKED)));
    }

    #[test]
    fn teams_take_their_groups_and_send_each_result_once() {
        let dir = tempfile::tempdir().unwrap();
        let client = Bisection::in_teams();
        let (_, seen) = run_client(&dir.path().join("teams"), &client);
        assert_eq!(seen, tasks_of(&ASKED));
        let in_teams = ASKED.iter().filter(|group| **group % 2 == 0).count();
        // Two tasks a group, two members a task.
        assert_eq!(client.parts.into_inner(), 4 * in_teams);
    }

    /// A journal with the results of some rounds, of part of a round, or with gaps in earlier rounds continues to the same set of results.
    #[test]
    fn a_journal_of_any_rounds_is_resumed() {
        let dir = tempfile::tempdir().unwrap();
        let all: Vec<Task> = ASKED.iter().flat_map(|&group| tasks_of(&[group])).collect();
        for (number, left_out) in (0..=all.len()).map(|kept| kept..all.len()).chain((0..all.len()).map(|at| at..at + 1)).enumerate()
        {
            let out = dir.path().join(format!("out-{number}"));
            let mut store = Store::new(Bisection::new().groups());
            let target = Target::claim(&out, "--out", &[path_of]).unwrap();
            let mut journal = Journal::create(target, &Header(Bisection::new().identity()), 1).unwrap();
            for (_, &task) in all.iter().enumerate().filter(|(at, _)| !left_out.contains(at)) {
                store.insert(task, square(task)).unwrap();
                journal.note(task);
            }
            journal.flush(&store).unwrap();
            drop(journal);
            let (first, seen) = run(&out);
            assert_eq!(seen, tasks_of(&ASKED), "without {left_out:?}");
            // The rest of the round that was interrupted.
            let round = if left_out.start < 4 { 0..4 } else { left_out.start / 2 * 2..left_out.start / 2 * 2 + 2 };
            let missing: Vec<Task> =
                (round.start..round.end.min(all.len())).filter(|at| left_out.contains(at)).map(|at| all[at]).collect();
            assert_eq!(distinct(first), distinct(missing), "without {left_out:?}");
        }
    }

    fn distinct(mut tasks: Vec<Task>) -> Vec<Task> {
        tasks.sort_unstable();
        tasks
    }

    /// A client that asks for a finished task would be asked for ever.
    #[test]
    fn a_next_round_of_finished_or_unknown_tasks_is_an_error() {
        let finished = Task { group: 5, index: 1 };
        let client = Bisection::new();
        let mut store = Store::new(client.groups());
        store.insert(finished, square(finished)).unwrap();
        for task in [finished, Task { group: GROUPS, index: 0 }, Task { group: 0, index: 2 }] {
            assert!(check_round(&client, &store, vec![task]).is_err(), "{task:?}");
        }
        let fine = [Task { group: 6, index: 0 }, Task { group: 5, index: 0 }];
        assert_eq!(check_round(&client, &store, [fine, fine].concat()).unwrap(), [fine[1], fine[0]]);
    }
}
