//! An audit ↔ an HDF5 file, written atomically and sealed like results files; contents in `docs/audit.md`.

use std::path::Path;

use hdf5::types::VarLenUnicode;
use hdf5::{Dataset, Group, H5Type};
use ndarray::Array2;

use super::entry::Scope;
use super::options::parse_layers;
use super::{Audit, Entry, Estimate, Layers, Measured, Options, Setting, Verdict, statements};
use crate::error::BadInput;
use crate::files::attribute::{Form, set_number, set_text, text};
use crate::files::crash::guarded_as;
use crate::files::format::{self, FileKind};
use crate::files::{self, Existing, place, seal};
use crate::measure::SCIENCE_VERSION;
use crate::model::cell::layers_label;
use crate::model::{Activation, Cell};
use crate::provenance::Provenance;

/// Bump when an older reader would fail or misread a file.
const VERSION: u32 = 4;
const REMEDY: &str = "give a file that `advstep-hpc audit` wrote";

/// Writes `audit` to `path`.
pub fn write(path: &Path, existing: Existing, audit: &Audit, provenance: &Provenance) -> anyhow::Result<()> {
    place::write(path, existing, |aside| {
        write_file(aside, audit, provenance).map_err(files::hdf5::plain)?;
        Ok(seal::seal(aside)?)
    })
}

fn write_file(path: &Path, audit: &Audit, provenance: &Provenance) -> anyhow::Result<()> {
    let file = files::hdf5::create(path)?;
    set_text(&file, "format", FileKind::Audit.name())?;
    set_number(&file, "format_version", VERSION)?;
    set_number(&file, "science_version", SCIENCE_VERSION)?;
    set_text(&file, "options", &audit.options.to_table().to_string())?;
    set_number(&file, "seed", audit.options.seed)?;
    set_number(&file, "networks", audit.options.networks as u64)?;
    set_number(&file, "max_networks", audit.options.max_networks as u64)?;
    write_statements(&file.create_group("statements")?, audit)?;
    write_entries(&file.create_group("entries")?, &audit.entries)?;
    let group = file.create_group("measured")?;
    audit.measured.iter().try_for_each(|measured| write_measured(&group, measured))?;
    provenance.write_to(&file.create_group("provenance")?)?;
    Ok(file.close()?)
}

fn write_statements(group: &Group, audit: &Audit) -> anyhow::Result<()> {
    let chosen = || audit.options.statements().map(|(_, statement)| statement);
    strings(group, "id", chosen().map(|statement| statement.id().to_string()))?;
    strings(group, "citation", chosen().map(|statement| statement.citation().to_string()))?;
    strings(group, "claim", chosen().map(|statement| statement.claim().to_string()))
}

fn write_entries(group: &Group, entries: &[Entry]) -> anyhow::Result<()> {
    let setting = |entry: &Entry| match entry.scope {
        Scope::One(setting) => (setting.dim as i64, setting.width as i64, setting.activation),
        Scope::Across(activation) => (0, 0, activation),
    };
    let layers = |entry: &Entry| if let Scope::One(setting) = entry.scope { setting.layers } else { None };
    let regime = |entry: &Entry| entry.regime().map_or_else(String::new, |regime| regime.label().to_string());
    strings(group, "statement", entries.iter().map(|entry| entry.statement.to_string()))?;
    strings(group, "part", entries.iter().map(|entry| entry.part.clone()))?;
    strings(group, "activation", entries.iter().map(|entry| Activation::name(setting(entry).2).to_string()))?;
    numbers(group, "dim", entries.iter().map(|entry| setting(entry).0))?;
    numbers(group, "width", entries.iter().map(|entry| setting(entry).1))?;
    strings(
        group,
        "hidden",
        entries.iter().map(|entry| layers(entry).map_or_else(String::new, |layers| layers_label(layers.cell.widths()))),
    )?;
    numbers(group, "gain", entries.iter().map(|entry| layers(entry).map_or(f64::NAN, |layers| layers.gain)))?;
    strings(group, "regime", entries.iter().map(regime))?;
    numbers(group, "gamma", entries.iter().map(|entry| entry.gamma))?;
    strings(group, "quantity", entries.iter().map(|entry| entry.quantity.clone()))?;
    numbers(group, "bound", entries.iter().map(|entry| entry.bound))?;
    numbers(group, "estimate", entries.iter().map(|entry| entry.estimate.value))?;
    numbers(group, "estimate_low", entries.iter().map(|entry| entry.estimate.low))?;
    numbers(group, "estimate_high", entries.iter().map(|entry| entry.estimate.high))?;
    numbers(group, "failures", entries.iter().map(|entry| entry.failures.map_or(-1, |(failures, _)| failures as i64)))?;
    numbers(group, "trials", entries.iter().map(|entry| entry.failures.map_or(-1, |(_, trials)| trials as i64)))?;
    numbers(group, "networks", entries.iter().map(|entry| entry.networks as i64))?;
    numbers(group, "margin", entries.iter().map(|entry| entry.margin))?;
    strings(group, "verdict", entries.iter().map(|entry| entry.verdict.label().to_string()))?;
    strings(group, "why", entries.iter().map(|entry| entry.why.clone()))
}

/// `/measured/STATEMENT/ACTIVATION-dD-kK`, or `…-dD-LL-kK-gainG` and `…-dD-kK,…-gainG` of a multi-layer statement, networks × columns; the attribute `columns` names these.
fn write_measured(group: &Group, measured: &Measured) -> anyhow::Result<()> {
    let group = match group.link_exists(measured.statement) {
        true => group.group(measured.statement)?,
        false => group.create_group(measured.statement)?,
    };
    let setting = measured.setting;
    let shape = (measured.rows.len(), measured.columns.len());
    let rows = Array2::from_shape_vec(shape, measured.rows.concat())?;
    let dataset = group.new_dataset_builder().obj_track_times(false).with_data(&rows).create(name_of(setting).as_str())?;
    set_text(&dataset, "columns", &measured.columns.join("\t"))?;
    set_number(&dataset, "dim", setting.dim as u64)?;
    set_number(&dataset, "width", setting.width as u64)?;
    set_text(&dataset, "activation", setting.activation.name())
}

/// Name of a setting's array.
fn name_of(setting: Setting) -> String {
    let name = setting.activation.name();
    match setting.layers {
        None => format!("{name}-d{}-k{}", setting.dim, setting.width),
        Some(Layers { cell, gain }) if cell.has_differing_layers() => {
            format!("{name}-d{}-k{}-gain{gain}", cell.dim, cell.width_label())
        }
        Some(Layers { cell, gain }) => format!("{name}-d{}-L{}-k{}-gain{gain}", cell.dim, cell.depth, cell.width),
    }
}

fn strings(group: &Group, name: &str, values: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let values: Vec<VarLenUnicode> = values.map(|text| text.replace('\0', " ").parse()).collect::<Result<_, _>>()?;
    numbers(group, name, values.into_iter())
}

fn numbers<T: H5Type>(group: &Group, name: &str, values: impl Iterator<Item = T>) -> anyhow::Result<()> {
    let values: Vec<T> = values.collect();
    group.new_dataset_builder().obj_track_times(false).with_data(&values).create(name)?;
    Ok(())
}

/// Whether `path` holds an audit of these options by this science version.
pub fn is_of(path: &Path, options: &Options) -> bool {
    read(path, false).is_ok_and(|audit| audit.options == *options)
}

/// Reads the audit at `path`; with `unsealed` also one whose seal was lost when another program rewrote it. Memory use is bounded by a multiple of
/// the file size.
///
/// # Errors
/// [`BadInput`] for any defect of the file.
pub fn read(path: &Path, unsealed: bool) -> Result<Audit, BadInput> {
    let refused = |why, remedy: &str| BadInput::new(format!("cannot read the audit {}", path.display()), why, remedy);
    let form = format::form(path, unsealed, REMEDY, refused)?;
    guarded_as(form, path, || read_file(path, form)).map_err(|why| refused(why, REMEDY))
}

/// Why a file is refused.
type Why = String;

/// An open file, and the accepted form of attributes.
struct Source {
    bytes: u64,
    form: Form,
}

fn read_file(path: &Path, form: Form) -> Result<Audit, Why> {
    let (file, bytes) = format::open(path, form, FileKind::Audit, VERSION, SCIENCE_VERSION)?;
    let source = Source { bytes, form };
    let options = text(&file, "options", form)?.parse().ok().and_then(|table| Options::from_table(&table));
    let options = options.ok_or("its attribute `options` is damaged")?;
    let mut measured = Vec::new();
    let group = source.group(&file, "measured")?;
    for (_, statement) in options.statements() {
        for setting in options.settings.iter().filter(|setting| statement.concerns(setting)) {
            measured.push(source.measured(&group, statement.id(), *setting, statement.columns(setting), options.max_networks)?);
        }
    }
    let entries = source.entries(&source.group(&file, "entries")?)?;
    Ok(Audit { options, measured, entries })
}

impl Source {
    fn group(&self, parent: &Group, name: &str) -> Result<Group, Why> {
        parent.group(name).map_err(|_| format!("it has no group `{name}`"))
    }

    fn array<T: H5Type>(&self, group: &Group, name: &str) -> Result<Vec<T>, Why> {
        let dataset = group.dataset(name).map_err(|_| format!("it has no array `{name}`"))?;
        self.check_size::<T>(&dataset, name)?;
        dataset.read_raw().map_err(|error| format!("its array `{name}` cannot be read: {error}"))
    }

    /// A small file may declare any size.
    fn check_size<T>(&self, dataset: &Dataset, name: &str) -> Result<(), Why> {
        match dataset.size().saturating_mul(size_of::<T>()) as u64 > self.bytes {
            true => Err(format!("its array `{name}` declares {} numbers, more than the file holds", dataset.size())),
            false => Ok(()),
        }
    }

    fn texts(&self, group: &Group, name: &str, count: usize) -> Result<Vec<String>, Why> {
        let texts: Vec<VarLenUnicode> = self.array(group, name)?;
        let utf8 = |text: &VarLenUnicode| String::from_utf8(text.as_bytes().to_vec()).map_err(|_| format!("`{name}` is not UTF-8"));
        self.check_count(name, texts.len(), count)?;
        texts.iter().map(utf8).collect()
    }

    fn numbers<T: H5Type>(&self, group: &Group, name: &str, count: usize) -> Result<Vec<T>, Why> {
        let numbers: Vec<T> = self.array(group, name)?;
        self.check_count(name, numbers.len(), count)?;
        Ok(numbers)
    }

    fn check_count(&self, name: &str, found: usize, expected: usize) -> Result<(), Why> {
        match found == expected {
            true => Ok(()),
            false => Err(format!("its array `{name}` has {found} numbers in place of {expected}")),
        }
    }

    fn measured(
        &self,
        group: &Group,
        statement: &'static str,
        setting: Setting,
        columns: Vec<String>,
        most: usize,
    ) -> Result<Measured, Why> {
        let name = name_of(setting);
        let dataset = self.group(group, statement)?.dataset(&name).map_err(|_| format!("it has no array `{statement}/{name}`"))?;
        self.check_size::<f64>(&dataset, &name)?;
        let rows = dataset.read_2d::<f64>().map_err(|error| format!("its array `{name}` cannot be read: {error}"))?;
        if text(&dataset, "columns", self.form)? != columns.join("\t") || rows.ncols() != columns.len() || rows.nrows() > most {
            return Err(format!("its array `{statement}/{name}` does not have the columns of the statement"));
        }
        Ok(Measured { statement, setting, columns, rows: rows.rows().into_iter().map(|row| row.to_vec()).collect() })
    }

    fn entries(&self, group: &Group) -> Result<Vec<Entry>, Why> {
        let ids: Vec<VarLenUnicode> = self.array(group, "statement")?;
        let count = ids.len();
        let texts = |name| self.texts(group, name, count);
        let floats = |name| self.numbers::<f64>(group, name, count);
        let wholes = |name| self.numbers::<i64>(group, name, count);
        let [statement, part, activation, quantity, verdict, why] =
            [texts("statement")?, texts("part")?, texts("activation")?, texts("quantity")?, texts("verdict")?, texts("why")?];
        let [gamma, bound, value, low, high, margin] = [
            floats("gamma")?,
            floats("bound")?,
            floats("estimate")?,
            floats("estimate_low")?,
            floats("estimate_high")?,
            floats("margin")?,
        ];
        let hidden = texts("hidden")?;
        let gain = floats("gain")?;
        let [dim, width, failures, trials, networks] =
            [wholes("dim")?, wholes("width")?, wholes("failures")?, wholes("trials")?, wholes("networks")?];
        let entry = |i: usize| -> Option<Entry> {
            let activation = Activation::ALL.into_iter().find(|known| known.name() == activation[i])?;
            let size = |number: i64| usize::try_from(number).ok();
            Some(Entry {
                statement: statements::find(&statement[i])?.id(),
                part: part[i].clone(),
                scope: match (dim[i], width[i]) {
                    (0, 0) => Scope::Across(activation),
                    (dim, width) if hidden[i].is_empty() => Scope::One(Setting::two_layer(size(dim)?, size(width)?, activation)),
                    (dim, _) => {
                        Scope::One(Setting::deep(Cell::of_layers(size(dim)?, &parse_layers(&hidden[i])?), gain[i], activation))
                    }
                },
                gamma: gamma[i],
                quantity: quantity[i].clone(),
                bound: bound[i],
                estimate: Estimate { value: value[i], low: low[i], high: high[i] },
                failures: match (failures[i], trials[i]) {
                    (-1, -1) => None,
                    (failures, trials) => Some((failures.try_into().ok()?, trials.try_into().ok()?)),
                },
                networks: size(networks[i])?,
                margin: margin[i],
                verdict: Verdict::parse(&verdict[i])?,
                why: why[i].clone(),
            })
        };
        (0..count).map(|i| entry(i).ok_or_else(|| format!("its entry {i} is damaged"))).collect()
    }
}
