//! What of a plan is left to compute: all of it, or what no other file holds.

use std::collections::{HashMap, HashSet};

use super::calibrate::Machine;
use super::{Plan, UnitCost};
use crate::job::Task;

/// The networks of a plan that are left, with their costs.
#[derive(Debug, Clone)]
pub struct Remaining<'p> {
    pub plan: &'p Plan,
    /// Networks that other files hold.
    taken: HashSet<Task>,
    /// The rest of networks that are held in part.
    parts: HashMap<Task, UnitCost>,
    /// The machine of the times; `None`: that of the cost model.
    machine: Option<Machine>,
}

/// The networks of a cell that are left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Left {
    pub networks: usize,
    /// Of all of them together.
    pub cost: UnitCost,
}

impl<'p> Remaining<'p> {
    /// All networks of `plan`.
    pub fn all(plan: &'p Plan) -> Self {
        Self::without(plan, HashSet::new(), HashMap::new())
    }

    /// Those of `plan` but for `taken`, and of `parts` only the rest.
    pub fn without(plan: &'p Plan, taken: HashSet<Task>, parts: HashMap<Task, UnitCost>) -> Self {
        Self { plan, taken, parts, machine: None }
    }

    /// The same networks, with their times on `machine`.
    pub fn on(self, machine: Machine) -> Self {
        Self { machine: Some(machine), ..self }
    }

    /// `cost`, which is that of the cost model, on the machine.
    pub fn of_machine(&self, cost: UnitCost) -> UnitCost {
        self.machine.map_or(cost, |machine| machine.cost(cost))
    }

    pub fn has(&self, task: Task) -> bool {
        !self.taken.contains(&task)
    }

    /// The cost of a network that is left.
    pub fn cost(&self, task: Task) -> UnitCost {
        self.of_machine(self.parts.get(&task).copied().unwrap_or(self.plan.cells[task.group].cost))
    }

    /// What is left of each cell of the plan.
    pub fn cells(&self) -> Vec<Left> {
        let mut networks = vec![self.plan.networks; self.plan.cells.len()];
        self.taken.iter().for_each(|task| networks[task.group] -= 1);
        let (mut whole, mut rest) = (networks.clone(), vec![UnitCost::default(); networks.len()]);
        for (task, cost) in &self.parts {
            whole[task.group] -= 1;
            rest[task.group] = rest[task.group].plus(*cost);
        }
        let cost = |index: usize| self.plan.cells[index].cost.times(whole[index] as f64).plus(rest[index]);
        networks.iter().enumerate().map(|(index, &networks)| Left { networks, cost: self.of_machine(cost(index)) }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Experiment;
    use crate::job::Resources;
    use crate::plan::plan;

    fn task(group: usize, index: usize) -> Task {
        Task { group, index }
    }

    /// Of three cells of four networks: one is taken, of another two networks are taken and one in part.
    #[test]
    fn what_is_left_is_what_is_not_held() {
        let toml = "depths = [1]\ndims = [10]\nwidths = [10, 100, 1000]\nnetworks = 4\ninputs = 5";
        let resources = Resources { threads: 1, memory: 1 << 30 };
        let plan = plan(&Experiment::from_toml(toml, "test").unwrap(), resources).unwrap();
        let all = Remaining::all(&plan);
        assert!(all.cells().iter().zip(&plan.cells).all(|(left, cell)| left.networks == 4 && left.cost == cell.cost.times(4.0)));
        assert!(all.has(task(0, 3)) && all.cost(task(1, 2)) == plan.cells[1].cost);

        let taken = (0..4).map(|index| task(0, index)).chain([task(1, 0), task(1, 3)]).collect();
        let half = plan.cells[1].cost.times(0.5);
        let some = Remaining::without(&plan, taken, HashMap::from([(task(1, 2), half)]));
        let left = some.cells();
        assert_eq!(left.iter().map(|left| left.networks).collect::<Vec<_>>(), [0, 2, 4]);
        assert_eq!(left[0].cost, UnitCost::default());
        assert_eq!(left[1].cost, plan.cells[1].cost.plus(half));
        assert_eq!(left[2], all.cells()[2]);
        assert!(!some.has(task(0, 1)) && some.has(task(1, 2)) && some.cost(task(1, 2)) == half);
    }
}
