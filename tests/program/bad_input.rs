//! Bad input is refused before any work: exit code 2, `error: what: why` and `help: what to do` on standard error, nothing written.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Arguments, and a part of the error line.
type Case = (&'static str, &'static str);

/// Refused by the command line and the validation of the experiment.
const REFUSED_BEFORE_PLANNING: &[Case] = &[
    // Counts.
    ("--widths 0", "the width 0 is too small: a layer needs at least one neuron\nhelp: give a whole number"),
    ("--widths 10,1e30", "the width 1e30 is too large"),
    ("--widths 1.5", "the width 1.5 is not a whole number"),
    ("--widths nan", "the width NaN is not finite"),
    ("--widths=-inf", "the width -inf is not finite"),
    ("export --depth 1 --dim 5 --width inf --out net.h5", "the width inf cannot be exported"),
    ("--hidden 30,0", "the width 0 is too small"),
    ("--hidden 30,inf", "the width inf is not finite"),
    ("--hidden 30,20 --depths 2", "hidden and depths cannot go together"),
    ("--hidden 30,20 --widths 30", "hidden and widths cannot go together"),
    ("--hidden 1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8", "17 hidden layers of given widths are too many"),
    ("--config both.toml", "hidden and widths cannot go together"),
    ("--config flat.toml", "flat.toml line 2 holds a wrong value for hidden: "),
    ("--hidden -3,5", "the width -3 is too small"),
    ("--widths -1,10", "the width -1 is too small"),
    ("--depths -1", "the depth -1 is too small"),
    ("--depths 1001", "the depth 1001 is too large"),
    ("--dims 0", "the dim 0 is too small"),
    ("--dims inf", "the dim inf is not finite"),
    ("--networks 0", "the number of networks 0 is too small"),
    ("--networks 1e10", "the number of networks 1e10 is too large"),
    ("--inputs -3", "the number of inputs -3 is too small"),
    ("--inputs 2.5", "the number of inputs 2.5 is not a whole number"),
    ("--networks 1e9 --inputs 1e9", "samples"),
    ("plan --widths 0", "the width 0 is too small"),
    // Other values.
    ("--gain 0", "the gain 0 is not positive: it is a variance\nhelp: "),
    ("--gain -1", "the gain -1 is not positive"),
    ("--gain nan", "the gain NaN is not finite"),
    ("--gain 1e300", "is too large at gain 1e300 in f32"),
    ("--depths 200", "the depth 200 is too large at gain 1 in f32"),
    ("--certify", "certify has no effect without direction nearest"),
    ("--certify --direction nearest --depths 1,2", "certify and depth 2 cannot go together"),
    ("--certify --direction nearest --depths 1 --activation tanh", "certify and activation tanh cannot go together"),
    ("--bound 0", "the bound 0 is not positive"),
    ("--bound inf", "the bound inf is not finite"),
    ("--bound=-1e-3", "the bound -0.001 is not positive"),
    ("--seed -1", "the seed -1 is negative"),
    ("--threads 0", "cannot run 0 threads"),
    ("--threads 1.5", "cannot run 1.5 threads"),
    ("--memory 0GiB", "the memory 0 is too small"),
    // Usage.
    ("--widths=", "--widths"),
    ("--widths 10,,20", "--widths"),
    ("--widths ten", "--widths"),
    ("--hidden 30,", "--hidden"),
    ("--hidden ten", "--hidden"),
    ("export --hidden 30,20 --depth 2 --dim 5 --out net.h5", "--depth"),
    ("export --dim 2 --hidden 3,4 --hidden 5 --out net.h5", "--hidden"),
    ("--seed 18446744073709551615", "--seed"),
    ("--seed 1.5", "--seed"),
    ("--memory lots", "--memory"),
    ("--memory=-1GiB", "--memory"),
    ("--readout sing", "--readout"),
    ("--precision f16", "--precision"),
    // The audit.
    ("audit --dims 1", "the dim 1 cannot be audited"),
    ("audit --widths inf", "the width inf cannot be audited"),
    ("audit --widths 1.5", "the width 1.5 cannot be audited"),
    ("audit --dims 1e5 --widths 1e5", "dim 100000 with width 100000 is too large"),
    ("audit --gamma 0", "the failure probability 0 is not between 0 and 1"),
    ("audit --gamma 0.1,nan", "the failure probability NaN is not between 0 and 1"),
    ("audit --networks 1", "the number of networks 1 cannot be audited"),
    ("audit --seed -1", "the seed -1 is negative"),
    ("audit --threads 0", "cannot run 0 threads"),
    ("audit --statements lemma-88", "there is no statement `lemma-88`"),
    ("audit --activation tanh --statements lemma-9", "there is nothing to audit with activation tanh"),
    ("audit --out foreign.h5", "will not write foreign.h5: the file exists\nhelp: "),
    ("audit --markdown foreign.h5", "will not write foreign.h5: the file exists\nhelp: "),
    ("audit --figures foreign.h5", "is not a directory"),
    ("audit --out a.h5 --markdown a.h5", "--out and --markdown are both a.h5"),
    ("merge taken.h5 --out taken.h5 --overwrite", "will not write taken.h5: it is the same file as the input taken.h5\nhelp: "),
    ("--config good.toml --out good.toml --overwrite", "it is the same file as the input good.toml"),
    ("--out -", "cannot write -: standard output is not supported\nhelp: "),
    ("audit --activation step", "--activation"),
    ("audit --gamma small", "--gamma"),
    ("--preset papr", "--preset"),
    ("--widhts 10", "--widhts"),
    ("--preset quick --config good.toml", "--preset"),
    ("--preset quick plan", "plan"),
    ("--networks 1 --networks 2", "--networks"),
    ("rnu", "rnu"),
    ("show", "<FILE>"),
    ("show taken.h5 --format xml", "--format"),
    ("plot taken.h5 --format gif", "--format"),
    ("export --depth 1 --dim 2 --out net.h5", "--width"),
    // Config files.
    ("--config missing.toml", "cannot read missing.toml: No such file"),
    ("--config .", "cannot read .: "),
    ("--config unknown.toml", "unknown.toml line 3 holds `widhts`: an experiment has no such key\nhelp: write `widths`"),
    ("--config broken.toml", "broken.toml line 2 is not TOML: "),
    ("--config type.toml", "type.toml line 3 holds a wrong value for widths: "),
    ("--config empty-list.toml", "the list of widths is empty: there would be nothing to run\nhelp: give at least one width"),
    ("--config empty.toml", "no depths are given"),
    ("--config nan.toml", "the gain NaN is not finite"),
    ("--config extra.toml", "extra_widths holds the depth `2`"),
    (
        "--config two-ways.toml",
        "extra_widths holds the depth `01`: depths are written without sign and leading zeros\nhelp: write it as 1",
    ),
    ("--config binary.toml", "cannot read binary.toml: it is not UTF-8 text\nhelp: "),
    ("--config /dev/zero", "cannot read /dev/zero: it is longer than 16.0 MiB\nhelp: "),
    ("--threads 1e300", "cannot run 1e300 threads"),
    ("--max-hours 1e-300", "cannot stop after 1e-300 hours"),
    ("audit --dims 1e300", "the dim 1e300 cannot be audited"),
    ("export --depth 1 --dim 5 --width 10 --network 1e300 --out net.h5", "there is no network 1e300"),
    (
        "export --depth 1 --dim 1e9 --width 1e9 --out net.h5",
        "the network (L=1, d=1000000000, k=1000000000) is too large to export here: its file needs 3.5 EiB,",
    ),
    // Files to write.
    ("--out taken.h5", "will not write taken.h5: the file exists\nhelp: give --overwrite"),
    ("--config taken.toml", "will not write results/taken.h5: the file exists\nhelp: give --overwrite"),
    ("--out directory --overwrite", "cannot write directory: it is a directory\nhelp: "),
    ("--out taken.h5/below.h5", "cannot write taken.h5/below.h5: "),
    ("--out taken.h5/far/below.h5", "cannot write taken.h5/far/below.h5: "),
    ("--out /proc/new.h5", "cannot write /proc/new.h5: "),
    ("--out=", "--out"),
    ("--out new/", "cannot write `new/`: it does not name a file\nhelp: "),
    ("export --depth 1 --dim 2 --width 3 --out taken.h5", "will not write taken.h5: the file exists\nhelp: "),
    ("man --out taken.h5", "cannot write taken.h5: taken.h5 is not a directory\nhelp: "),
    // The other commands.
    ("export --depth 0 --dim 2 --width 3 --out net.h5", "the depth 0 is too small"),
    ("export --depth 1 --dim 2 --width 3 --network -1 --out net.h5", "there is no network -1"),
    ("export --depth 1 --dim 2 --width 3 --network 0.5 --out net.h5", "there is no network 0.5"),
    ("show missing.h5", "cannot read `missing.h5`: No such file"),
    ("show directory", "cannot read `directory`: it is not a regular file\nhelp: "),
    ("plot missing.h5", "cannot read `missing.h5`: No such file"),
    ("plot taken.h5 --out taken.h5", "cannot write taken.h5: taken.h5 is not a directory\nhelp: "),
];

/// Refused by the plan and the reader of results files.
const REFUSED_BY_PLAN_AND_READER: &[Case] = &[
    ("--widths 1e6 --depths 3 --memory 1GiB", "memory"),
    ("plan --widths 1e6 --depths 3 --memory 1GiB", "memory"),
    ("--hidden 1e6,1e6,10 --memory 1GiB", "k=1000000,1000000,10) does not fit"),
    ("--widths 10 --depths 1 --memory 1B", "besides\nhelp: give --memory"),
    ("show taken.h5", "taken.h5"),
    ("show foreign.h5", "foreign.h5"),
    ("show good.toml", "good.toml"),
    ("show empty.toml", "empty.toml"),
    ("plot taken.h5", "taken.h5"),
    ("plot foreign.h5 --out pictures", "foreign.h5"),
];

/// Creates the files that the cases use.
fn populate(directory: &Path) {
    let grid = "depths = [1]\ndims = [2]\n";
    for (name, text) in [
        ("good.toml", format!("{grid}widths = [3]\n")),
        ("taken.toml", format!("{grid}widths = [3]\n")),
        ("unknown.toml", format!("{grid}widhts = [3]\n")),
        ("broken.toml", "depths = [1]\ndims = [2\n".to_string()),
        ("type.toml", format!("{grid}widths = 3\n")),
        ("empty-list.toml", format!("{grid}widths = []\n")),
        ("empty.toml", String::new()),
        ("nan.toml", format!("{grid}widths = [3]\ngain = nan\n")),
        ("extra.toml", format!("{grid}widths = [3]\n[extra_widths]\n2 = [4]\n")),
        ("two-ways.toml", format!("{grid}widths = [3]\n[extra_widths]\n1 = [4]\n01 = [5]\n")),
        ("both.toml", "dims = [2]\nwidths = [3]\nhidden = [[3, 2]]\n".to_string()),
        ("flat.toml", "dims = [2]\nhidden = [3, 2]\n".to_string()),
        ("taken.h5", "not HDF5".to_string()),
        ("results/taken.h5", "not HDF5 either".to_string()),
    ] {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::write(directory.join("binary.toml"), [0xff, 0xfe, 0x00]).unwrap();
    fs::create_dir(directory.join("directory")).unwrap();
    let foreign = advstep_hpc::files::hdf5::create(&directory.join("foreign.h5")).unwrap();
    foreign.new_dataset_builder().with_data(&[1.0, 2.0]).create("somebody_elses").unwrap();
}

/// Every path below `directory`, with the contents of files.
fn contents(directory: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let bytes = if path.is_dir() {
            found.extend(contents(&path));
            None
        } else {
            Some(fs::read(&path).unwrap())
        };
        found.insert(path.display().to_string(), bytes);
    }
    found
}

fn advstep(directory: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_advstep-hpc")).args(arguments.split(' ')).current_dir(directory).output().unwrap()
}

/// What is wrong with how a case was refused, if anything.
fn flaw(message: &str, output: &Output) -> Option<String> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.code() != Some(2) {
        return Some(format!("exit {:?}: {stderr}", output.status.code()));
    }
    if !output.stdout.is_empty() {
        return Some(format!("stdout: {}", String::from_utf8_lossy(&output.stdout)));
    }
    (!has_two_lines(&stderr) || !stderr.contains(message)).then(|| format!("stderr: {stderr}"))
}

/// Whether `stderr` is `error: what: why` and `help: remedy`, with no empty part and no final full stop.
fn has_two_lines(stderr: &str) -> bool {
    let lines = stderr.strip_suffix('\n').and_then(|text| text.split_once('\n'));
    let Some((error, help)) = lines.filter(|(_, help)| !help.contains('\n')) else { return false };
    let (Some(error), Some(remedy)) = (error.strip_prefix("error: "), help.strip_prefix("help: ")) else { return false };
    let Some((what, why)) = error.split_once(": ") else { return false };
    !what.is_empty() && [why, remedy].iter().all(|part| !part.trim().is_empty() && !part.ends_with(['.', ':', ' ']))
}

fn assert_all_refused(cases: &[Case]) {
    let directory = tempfile::tempdir().unwrap();
    populate(directory.path());
    let before = contents(directory.path());
    let mut flaws = Vec::new();
    for (arguments, message) in cases {
        let output = advstep(directory.path(), arguments);
        flaws.extend(flaw(message, &output).map(|flaw| format!("`{arguments}`: {flaw}")));
        assert!(contents(directory.path()) == before, "`{arguments}` wrote something");
    }
    assert!(flaws.is_empty(), "{} of {} cases:\n{}", flaws.len(), cases.len(), flaws.join("\n"));
}

#[test]
fn refused_before_planning() {
    assert_all_refused(REFUSED_BEFORE_PLANNING);
}

#[test]
fn refused_by_plan_and_reader() {
    assert_all_refused(REFUSED_BY_PLAN_AND_READER);
}
