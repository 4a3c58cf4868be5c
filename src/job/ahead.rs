//! The output file, written by a thread of rank 0 while the job goes on: each group once all of its results are there. At the end only the last
//! groups are left.
//!
//! It is a convenience that no result depends on: results stay in the [`Store`] and in the journal, the file gets its name only when it is complete,
//! and after an error it is removed and written whole at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::Context;
use crossbeam_channel::{Receiver, Sender, unbounded};

use super::{Draft, Store};

/// A group and its results, by index.
type Complete = (usize, Vec<Arc<[u8]>>);

/// A draft and its thread.
pub struct Ahead {
    sender: Sender<Complete>,
    thread: JoinHandle<anyhow::Result<Box<dyn Draft>>>,
    /// Whether the draft is to be given up.
    given_up: Arc<AtomicBool>,
    /// By group: whether the thread has it.
    given: Vec<bool>,
}

impl Ahead {
    /// Starts the thread that writes `draft`, of a job of `groups` groups; `None` if no thread can be started.
    pub fn start(draft: Box<dyn Draft>, groups: usize) -> Option<Self> {
        let (sender, receiver) = unbounded();
        let given_up = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&given_up);
        let thread = thread::Builder::new().name("writer".to_string()).spawn(move || write(draft, &receiver, &flag)).ok()?;
        Some(Self { sender, thread, given_up, given: vec![false; groups] })
    }

    /// Hands a complete `group` over, unless the thread has it.
    pub fn give(&mut self, group: usize, store: &Store) {
        if !self.given[group]
            && let Some(results) = store.group(group)
        {
            self.given[group] = true;
            // This fails only if the thread has stopped on an error, which `end` returns.
            let _ = self.sender.send((group, results));
        }
    }

    /// Whether the draft cannot be completed.
    pub fn has_failed(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until all groups given are written.
    ///
    /// # Errors
    /// The first error of the draft, which is then removed.
    pub fn end(self) -> anyhow::Result<Box<dyn Draft>> {
        drop(self.sender);
        self.thread.join().unwrap_or_else(|_| anyhow::bail!("its thread has panicked"))
    }

    /// Removes the draft, once the group that is being written is done.
    pub fn give_up(self) {
        self.given_up.store(true, Ordering::Relaxed);
        drop(self.end());
    }
}

/// The life of the thread.
fn write(mut draft: Box<dyn Draft>, complete: &Receiver<Complete>, given_up: &AtomicBool) -> anyhow::Result<Box<dyn Draft>> {
    for (group, results) in complete {
        if given_up.load(Ordering::Relaxed) {
            break;
        }
        draft.add(group, &results).context("cannot write the results so far")?;
    }
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::files::Existing;
    use crate::job::{Group, Task};
    use crate::provenance::Provenance;

    /// What happened to a [`Notes`], in order: groups with the bytes of their results, and its end.
    type Log = Arc<Mutex<Vec<String>>>;

    /// A draft that notes its groups, and fails at group `bad`.
    struct Notes {
        log: Log,
        bad: usize,
    }

    impl Draft for Notes {
        fn add(&mut self, group: usize, results: &[Arc<[u8]>]) -> anyhow::Result<()> {
            anyhow::ensure!(group != self.bad, "the disk is full");
            self.log.lock().unwrap().push(format!("{group}: {:?}", results.concat()));
            Ok(())
        }
        fn finish(self: Box<Self>, _: Provenance, _: Existing, name: &str) -> anyhow::Result<String> {
            Ok(name.to_string())
        }
    }

    impl Drop for Notes {
        fn drop(&mut self) {
            self.log.lock().unwrap().push("removed".to_string());
        }
    }

    /// Three groups of two tasks; the last has no results.
    fn store() -> Store {
        let mut store = Store::new(&[Group::on_threads(2, 1.0, 1); 3]);
        for (group, index) in [(0, 1), (1, 0), (1, 1), (0, 0)] {
            store.insert(Task { group, index }, vec![(10 * group + index) as u8]).unwrap();
        }
        store
    }

    fn start(bad: usize) -> (Ahead, Log) {
        let log = Log::default();
        let draft = Box::new(Notes { log: Arc::clone(&log), bad });
        (Ahead::start(draft, 3).unwrap(), log)
    }

    #[test]
    fn complete_groups_are_written_once_in_the_order_given() {
        let (mut ahead, log) = start(9);
        for group in [2, 1, 1, 0, 2, 1] {
            ahead.give(group, &store());
        }
        let draft = ahead.end().unwrap();
        assert_eq!(*log.lock().unwrap(), ["1: [10, 11]", "0: [0, 1]"]);
        assert_eq!(draft.finish(Provenance::default(), Existing::Refuse, "done").unwrap(), "done");
    }

    #[test]
    fn the_first_error_removes_the_draft_and_is_reported() {
        let (mut ahead, log) = start(1);
        [0, 1].into_iter().for_each(|group| ahead.give(group, &store()));
        while !ahead.has_failed() {
            thread::yield_now();
        }
        ahead.give(2, &store());
        let error = ahead.end().map(drop).unwrap_err();
        assert_eq!(format!("{error:#}"), "cannot write the results so far: the disk is full");
        assert_eq!(*log.lock().unwrap(), ["0: [0, 1]", "removed"]);
    }

    #[test]
    fn a_draft_that_is_given_up_is_removed() {
        let (mut ahead, log) = start(9);
        ahead.give(0, &store());
        ahead.give_up();
        assert_eq!(log.lock().unwrap().last().unwrap(), "removed");
    }
}
