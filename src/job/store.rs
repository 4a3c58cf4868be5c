//! The results that have reached rank 0, as bytes.

use std::sync::Arc;

use super::{Group, Task};
use crate::error::Failed;

/// One slot for the result of every task of a job.
pub struct Store {
    /// The first slot of each group, and the end of the last.
    starts: Vec<usize>,
    slots: Vec<Option<Arc<[u8]>>>,
    count: usize,
    /// Number of results by group.
    counts: Vec<usize>,
}

impl Store {
    /// Empty slots for the tasks of `groups`.
    pub fn new(groups: &[Group]) -> Self {
        let mut starts = vec![0];
        groups.iter().for_each(|group| starts.push(starts[starts.len() - 1] + group.count));
        let slots = vec![None; starts[starts.len() - 1]];
        Self { starts, slots, count: 0, counts: vec![0; groups.len()] }
    }

    fn slot(&self, task: Task) -> Option<usize> {
        let (start, end) = (*self.starts.get(task.group)?, *self.starts.get(task.group + 1)?);
        (task.index < end - start).then_some(start + task.index)
    }

    fn task(&self, slot: usize) -> Task {
        let group = self.starts.partition_point(|&start| start <= slot) - 1;
        Task { group, index: slot - self.starts[group] }
    }

    /// Stores the result of `task`.
    ///
    /// # Errors
    /// The job has no such task, or has its result already.
    pub fn insert(&mut self, task: Task, result: Vec<u8>) -> anyhow::Result<()> {
        let Task { group, index } = task;
        let bug = |why: &str| Failed::bug(format!("cannot store the result of task {index} of group {group}"), why);
        let slot = self.slot(task).ok_or_else(|| bug("the job has no such task"))?;
        let slot = &mut self.slots[slot];
        if slot.is_some() {
            return Err(bug("the task was run twice").into());
        }
        *slot = Some(result.into());
        self.count += 1;
        self.counts[group] += 1;
        Ok(())
    }

    /// The result of `task`, if present.
    pub fn get(&self, task: Task) -> Option<&[u8]> {
        self.slots[self.slot(task)?].as_deref()
    }

    /// Removes and returns the result of `task`, if present.
    pub fn take(&mut self, task: Task) -> Option<Arc<[u8]>> {
        let slot = self.slot(task)?;
        let taken = self.slots[slot].take();
        self.count -= usize::from(taken.is_some());
        self.counts[task.group] -= usize::from(taken.is_some());
        taken
    }

    /// The tasks with a result, in order.
    pub fn tasks(&self) -> impl Iterator<Item = Task> {
        let is_there = |slot: &usize| self.slots[*slot].is_some();
        (0..self.slots.len()).filter(is_there).map(|slot| self.task(slot))
    }

    /// Number of results.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether all results of `group` are present.
    pub fn has_group(&self, group: usize) -> bool {
        self.counts[group] == self.starts[group + 1] - self.starts[group]
    }

    /// All results of `group`, by index, if they are present; shared with this store.
    pub fn group(&self, group: usize) -> Option<Vec<Arc<[u8]>>> {
        self.slots[self.starts[group]..self.starts[group + 1]].iter().cloned().collect()
    }

    /// `tasks` of this job, one bit per task.
    pub fn bits(&self, tasks: impl IntoIterator<Item = Task>) -> Bits {
        let mut bits = vec![0; self.slots.len().div_ceil(8)];
        for slot in tasks.into_iter().filter_map(|task| self.slot(task)) {
            bits[slot / 8] |= 1 << (slot % 8);
        }
        Bits { starts: self.starts.clone(), bits }
    }
}

/// A set of tasks.
pub struct Bits {
    starts: Vec<usize>,
    bits: Vec<u8>,
}

impl Bits {
    /// From the bytes of another rank's [`Bits`] of the same `groups`.
    pub fn from_bytes(groups: &[Group], bits: Vec<u8>) -> Self {
        Self { starts: Store::new(groups).starts, bits }
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bits
    }

    pub fn contains(&self, task: Task) -> bool {
        let slot = self.starts[task.group] + task.index;
        self.bits.get(slot / 8).is_some_and(|byte| byte >> (slot % 8) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(counts: &[usize]) -> Vec<Group> {
        counts.iter().map(|&count| Group::on_threads(count, 1.0, 1)).collect()
    }

    fn task(group: usize, index: usize) -> Task {
        Task { group, index }
    }

    #[test]
    fn results_are_put_in_order_and_taken_once() {
        let mut store = Store::new(&groups(&[2, 0, 3]));
        for (group, index) in [(2, 2), (0, 1), (2, 0), (2, 1)] {
            store.insert(task(group, index), vec![group as u8, index as u8]).unwrap();
        }
        assert_eq!(store.tasks().collect::<Vec<_>>(), [task(0, 1), task(2, 0), task(2, 1), task(2, 2)]);
        assert_eq!([0, 1, 2].map(|group| store.has_group(group)), [false, true, true]);
        assert_eq!((store.count(), store.get(task(2, 1)), store.get(task(0, 0))), (4, Some(&[2, 1][..]), None));
        assert_eq!(store.take(task(2, 1)).as_deref(), Some(&[2, 1][..]));
        assert_eq!((store.count(), store.take(task(2, 1)), store.take(task(1, 0))), (3, None, None));
        store.insert(task(2, 1), vec![9]).unwrap();
        assert!(store.has_group(2));
    }

    #[test]
    fn results_that_have_no_place_are_errors() {
        let mut store = Store::new(&groups(&[2, 3]));
        store.insert(task(0, 0), vec![]).unwrap();
        assert!(format!("{:#}", store.insert(task(0, 0), vec![]).unwrap_err()).contains("the task was run twice"));
        for (group, index) in [(0, 2), (2, 0), (usize::MAX, 0), (0, usize::MAX)] {
            assert!(store.insert(task(group, index), vec![]).is_err());
        }
    }

    #[test]
    fn sets_of_tasks_travel_as_bits() {
        let groups = groups(&[3, 3, 0, 9]);
        let some = [(0, 0), (1, 2), (3, 2), (3, 8)].map(|(group, index)| task(group, index));
        let bytes = Store::new(&groups).bits(some).into_bytes();
        assert_eq!(bytes.len(), 2);
        let bits = Bits::from_bytes(&groups, bytes);
        let all = groups.iter().enumerate().flat_map(|(group, of)| (0..of.count).map(move |index| task(group, index)));
        assert_eq!(all.filter(|&task| bits.contains(task)).collect::<Vec<_>>(), some);
    }
}
