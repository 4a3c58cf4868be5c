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
            // It has ended after an error, which is reported at the end.
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
