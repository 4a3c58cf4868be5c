//! The records that have reached the root, each in its place.

use anyhow::ensure;

use crate::experiment::Unit;
use crate::plan::{CellPlan, Plan};
use crate::results::CellResults;
use crate::unit::UnitRecord;

/// A place for the record of every unit of an experiment.
pub struct Records {
    networks: usize,
    inputs: usize,
    /// Cell by cell, network by network.
    places: Vec<Option<UnitRecord>>,
}

impl Records {
    /// Empty places for `cells` cells of `networks` networks with `inputs` inputs each.
    pub fn new(cells: usize, networks: usize, inputs: usize) -> Self {
        Self { networks, inputs, places: vec![None; cells * networks] }
    }

    /// Puts a record in its place. A record of no unit of this experiment, of the wrong length, or a second one, is an error.
    pub fn insert(&mut self, record: UnitRecord) -> anyhow::Result<()> {
        let Unit { cell, network } = record.unit;
        let known = network < self.networks && cell < self.places.len() / self.networks;
        ensure!(known, "a record is of network {network} of cell {cell} (the experiment has no such network) report this as a bug");
        ensure!(
            record.samples.len() == self.inputs,
            "the record of network {network} of cell {cell} has {} samples (the experiment has {} inputs) report this as a bug",
            record.samples.len(),
            self.inputs
        );
        let place = &mut self.places[cell * self.networks + network];
        ensure!(
            place.is_none(),
            "network {network} of cell {cell} was measured twice (every unit is assigned once) report this as a bug"
        );
        *place = Some(record);
        Ok(())
    }

    /// Samples of each record.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The record of `unit`, if it is there.
    pub fn get(&self, unit: Unit) -> Option<&UnitRecord> {
        let cell = self.places.chunks(self.networks).nth(unit.cell)?;
        cell.get(unit.network)?.as_ref()
    }

    /// The units whose records are there.
    pub fn units(&self) -> impl Iterator<Item = Unit> {
        self.places.iter().flatten().map(|record| record.unit)
    }

    /// How many records are there.
    pub fn count(&self) -> usize {
        self.units().count()
    }

    /// The records that are there, in the order of their units. They are no longer in `self` then.
    pub fn take_all(&mut self) -> Vec<UnitRecord> {
        self.places.iter_mut().filter_map(Option::take).collect()
    }

    /// The cells of which every record is there, in the order of the plan. They are no longer in `self` then.
    pub fn take_finished_cells(&mut self, plan: &Plan) -> Vec<CellResults> {
        let places = self.places.chunks_mut(self.networks).zip(&plan.cells);
        let finished = places.filter(|(places, _)| places.iter().all(Option::is_some));
        let take = |(places, cell): (&mut [Option<UnitRecord>], &CellPlan)| CellResults {
            cell: cell.cell,
            engine: cell.engine,
            search: cell.search,
            records: places.iter_mut().filter_map(Option::take).collect(),
        };
        finished.map(take).collect()
    }

    /// Puts cells back that were taken.
    pub fn put_back(&mut self, cells: Vec<CellResults>) {
        for record in cells.into_iter().flat_map(|cell| cell.records) {
            let place = record.unit.cell * self.networks + record.unit.network;
            self.places[place] = Some(record);
        }
    }
}

/// One bit a unit: which are finished.
pub struct Finished {
    networks: usize,
    bits: Vec<u8>,
}

impl Finished {
    /// Those of `records`.
    pub fn of(records: &Records) -> Self {
        let mut bits = vec![0; records.places.len().div_ceil(8)];
        for unit in records.units() {
            let at = unit.cell * records.networks + unit.network;
            bits[at / 8] |= 1 << (at % 8);
        }
        Self { networks: records.networks, bits }
    }

    /// Those of another rank, of cells of `networks` networks.
    pub fn from_bytes(networks: usize, bits: Vec<u8>) -> Self {
        Self { networks, bits }
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bits
    }

    pub fn contains(&self, unit: Unit) -> bool {
        let at = unit.cell * self.networks + unit.network;
        self.bits.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Cell;
    use crate::network::dense::{Keep, Storage};
    use crate::plan::{CellPlan, UnitCost};
    use crate::results::{EngineName, SearchName};
    use crate::unit::{Sample, Status};

    fn record(cell: usize, network: usize) -> UnitRecord {
        let sample = Sample { step: 1.0, gradient_norm: 1.0, value: 1.0, status: Status::FoundExact, evaluations: 1 };
        UnitRecord { unit: Unit { cell, network }, samples: vec![sample; 4], seconds: 0.0 }
    }

    fn plan() -> Plan {
        let cell = |width| CellPlan {
            cell: Cell::new(1, 2, width),
            engine: EngineName::Dense,
            search: SearchName::Line,
            cost: UnitCost { normals: 0.0, flops: 0.0, seconds: 0.0 },
            unit_bytes: 0,
            keep: Keep { weights: Storage::Stored, line: Storage::Stored },
        };
        Plan { cells: vec![cell(10), cell(20)], networks: 3, unit_memory: 0, process_bytes: 0 }
    }

    #[test]
    fn records_are_put_in_order() {
        let mut records = Records::new(2, 3, 4);
        for (cell, network) in [(1, 2), (0, 0), (1, 0), (0, 2), (0, 1), (1, 1)] {
            records.insert(record(cell, network)).unwrap();
        }
        assert_eq!(records.count(), 6);
        let cells = records.take_finished_cells(&plan());
        assert_eq!(cells.len(), 2);
        for (index, cell) in cells.iter().enumerate() {
            assert_eq!(cell.cell, plan().cells[index].cell);
            let units: Vec<Unit> = cell.records.iter().map(|record| record.unit).collect();
            assert_eq!(units, [0, 1, 2].map(|network| Unit { cell: index, network }));
        }
    }

    #[test]
    fn only_whole_cells_are_finished_and_they_can_be_put_back() {
        let mut records = Records::new(2, 3, 4);
        for (cell, network) in [(0, 0), (1, 2), (1, 0), (0, 2), (1, 1)] {
            records.insert(record(cell, network)).unwrap();
        }
        assert_ne!(records.count(), 6);
        let cells = records.take_finished_cells(&plan());
        assert_eq!(cells.iter().map(|cell| (cell.cell.width, cell.records.len())).collect::<Vec<_>>(), [(20, 3)]);
        assert_eq!(records.count(), 2);
        records.put_back(cells);
        assert_eq!(records.count(), 5);
        assert_eq!(records.get(Unit { cell: 1, network: 2 }), Some(&record(1, 2)));
        assert_eq!((records.get(Unit { cell: 0, network: 1 }), records.get(Unit { cell: 9, network: 0 })), (None, None));
    }

    #[test]
    fn finished_units_travel_as_bits() {
        let mut records = Records::new(5, 3, 4);
        let units = [(0, 0), (1, 2), (2, 2), (4, 1)].map(|(cell, network)| Unit { cell, network });
        units.iter().for_each(|unit| records.insert(record(unit.cell, unit.network)).unwrap());
        let bytes = Finished::of(&records).into_bytes();
        assert_eq!(bytes.len(), 2);
        let finished = Finished::from_bytes(3, bytes);
        let all = (0..5).flat_map(|cell| (0..3).map(move |network| Unit { cell, network }));
        assert_eq!(all.filter(|&unit| finished.contains(unit)).collect::<Vec<_>>(), units);
    }

    #[test]
    fn records_that_have_no_place_are_errors() {
        let mut records = Records::new(2, 3, 4);
        records.insert(record(0, 0)).unwrap();
        assert!(records.insert(record(0, 0)).unwrap_err().to_string().contains("twice"));
        assert!(records.insert(record(2, 0)).is_err());
        assert!(records.insert(record(0, 3)).is_err());
        let mut short = record(1, 1);
        short.samples.pop();
        assert!(records.insert(short).is_err());
    }
}
