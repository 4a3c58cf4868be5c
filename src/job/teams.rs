//! The teams of a rank's worker threads, one for each size that its tasks ask for.

use super::Group;
use super::assign::levels;
use crate::comm::Comm;
use crate::error::Failed;
use crate::team::Team;

/// The places of this rank's threads in its teams.
pub struct Teams {
    /// By number of ranks: a place for each thread. Not those that this rank is in no team of.
    places: Vec<(usize, Vec<Team>)>,
}

impl Teams {
    /// The teams that `groups` ask for, of ranks with these many `threads`. Collective.
    ///
    /// # Errors
    /// A team has more ranks than there are, or these cannot be linked.
    pub fn form(comm: &dyn Comm, groups: &[Group], threads: &[u64]) -> Result<Self, Failed> {
        let mut places = Vec::new();
        for ranks in levels(groups) {
            if ranks > comm.size() || ranks > 1 && !comm.has_links() {
                return Err(Failed::bug(format!("a task is for {ranks} ranks"), "they cannot work together"));
            }
            let link = if ranks > 1 { comm.link(ranks) } else { None };
            let begin = comm.rank() / ranks * ranks;
            let Some(block) = threads.get(begin..begin + ranks) else { continue };
            let sum = |threads: &[u64]| threads.iter().sum::<u64>() as usize;
            let first = sum(&block[..comm.rank() - begin]);
            places.push((ranks, Team::of_threads(threads[comm.rank()] as usize, link, first, sum(block))));
        }
        Ok(Self { places })
    }

    /// The place of thread `thread` in the team of `ranks` ranks.
    pub fn place(&self, ranks: usize, thread: usize) -> &Team {
        let (_, places) = self.places.iter().find(|(of, _)| *of == ranks).expect("a team for every task");
        &places[thread]
    }
}
