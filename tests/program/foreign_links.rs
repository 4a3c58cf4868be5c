//! HDF5 files that are not self-contained: external links, external storage, cycles of groups. They are refused by name, as results (with a
//! valid seal) and as inputs, and their targets are not read.

use std::path::Path;
use std::process::{Command, Output};

use crate::common::synthetic::{experiment, synthetic};
use advstep_hpc::experiment::inputs_file;
use advstep_hpc::files::{Existing, seal};
use advstep_hpc::model::InputsLaw;
use advstep_hpc::results::{self, first_difference};
use hdf5::{Extents, File, Group, Selection};
use ndarray::array;

fn advstep(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_advstep-hpc")).args(arguments).output().unwrap()
}

/// A results file modified by `change`, with a valid seal.
fn changed(path: &Path, change: impl FnOnce(&Group)) {
    results::write(path, Existing::Replace, &synthetic(&experiment(), 1)).unwrap();
    let file = File::open_rw(path).unwrap();
    change(&file);
    file.close().unwrap();
    seal::seal(path).unwrap();
}

/// Replaces `step` by an array of the same type and shape, created by `build`.
fn replace_step(file: &Group, build: impl FnOnce(&Group, Vec<usize>)) {
    let shape = file.dataset("step").unwrap().shape();
    file.unlink("step").unwrap();
    build(file, shape);
}

#[test]
fn results_that_point_elsewhere_are_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("changed.h5");
    let other = directory.path().join("other.h5");
    results::write(&other, Existing::Replace, &synthetic(&experiment(), 1)).unwrap();
    let elsewhere = other.to_str().unwrap();
    type Change<'a> = Box<dyn FnOnce(&Group) + 'a>;
    let changes: [(&str, &str, Change); 8] = [
        ("`/again`", "soft link", Box::new(|file| file.link_soft("/step", "again").unwrap())),
        ("`/nowhere`", "soft link", Box::new(|file| file.link_soft("/missing", "nowhere").unwrap())),
        (
            "`/step`",
            "a link into another file",
            Box::new(|file| replace_step(file, |file, _| file.link_external(elsewhere, "/step", "step").unwrap())),
        ),
        ("`/provenance/up`", "second name of an object", Box::new(|file| file.link_hard("/", "provenance/up").unwrap())),
        ("`/twice`", "second name of an object", Box::new(|file| file.link_hard("/step", "twice").unwrap())),
        (
            "`/a/b/a`",
            "second name of an object",
            Box::new(|file| {
                file.create_group("a/b").unwrap();
                file.link_hard("/a", "a/b/a").unwrap();
            }),
        ),
        (
            "`/step`",
            "a virtual dataset",
            Box::new(|file| {
                replace_step(file, |file, shape| {
                    let extents = Extents::from(shape.clone());
                    let builder = file.new_dataset::<f64>().shape(shape);
                    let builder = builder.virtual_map(elsewhere, "step", &extents, Selection::All, &extents, Selection::All);
                    builder.create("step").unwrap();
                });
            }),
        ),
        (
            "`/step`",
            "in another file, `/etc/hostname`",
            Box::new(|file| {
                replace_step(file, |file, shape| {
                    let bytes = 8 * shape.iter().product::<usize>();
                    file.new_dataset::<f64>().no_chunk().external("/etc/hostname", 0, bytes).shape(shape).create("step").unwrap();
                });
            }),
        ),
    ];
    for (name, what, change) in changes {
        changed(&path, change);
        let refused = results::read(&path).unwrap_err().to_string();
        assert!(refused.contains(name) && refused.contains(what), "{name}, {what}: {refused}");
        // A walk through a cycle would not end.
        let refused = first_difference(&path, &other).unwrap_err().to_string();
        assert!(refused.contains(name) && refused.contains(what), "{name}, {what}: {refused}");
        for arguments in [vec!["show", path.to_str().unwrap()], vec!["compare", elsewhere, path.to_str().unwrap()]] {
            let output = advstep(&arguments);
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.code() == Some(2) && error.contains(name) && error.contains(what), "{arguments:?}: {error}");
        }
    }
    changed(&path, |_| {});
    assert_eq!(first_difference(&path, &other).unwrap(), None);
}

#[test]
fn inputs_that_point_elsewhere_are_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let [path, other] = ["inputs.h5", "other.h5"].map(|name| directory.path().join(name));
    let rows = array![[3.0_f32, 4.0], [1.0, 0.0]];
    let file = File::create(&other).unwrap();
    file.new_dataset_builder().with_data(&rows).create("images").unwrap();
    file.close().unwrap();
    let elsewhere = other.to_str().unwrap();

    let file = File::create(&path).unwrap();
    file.new_dataset_builder().with_data(&rows).create("images").unwrap();
    file.create_group("group").unwrap();
    file.new_dataset_builder().with_data(&rows).create("group/images").unwrap();
    file.link_soft("/images", "soft").unwrap();
    file.link_external(elsewhere, "/images", "external").unwrap();
    file.link_external(elsewhere, "/", "folder").unwrap();
    let extents = Extents::from((2, 2));
    let builder = file.new_dataset::<f32>().shape((2, 2));
    builder.virtual_map(elsewhere, "images", &extents, Selection::All, &extents, Selection::All).create("virtual").unwrap();
    file.new_dataset::<f32>().no_chunk().external("/etc/hostname", 0, 16).shape((2, 2)).create("raw").unwrap();
    file.close().unwrap();

    let load = |dataset: &str| inputs_file::load(&mut InputsLaw::parse(&format!("file:{}{dataset}", path.display())).unwrap(), 1);
    for dataset in [":images", ":group/images", ":/group/images"] {
        load(dataset).unwrap();
    }
    for (dataset, what) in [
        (":soft", "`soft` is a soft link"),
        (":external", "`external` is a link into another file"),
        (":folder/images", "`folder` is a link into another file"),
        (":virtual", "`virtual` is a virtual dataset"),
        (":raw", "`raw` is stored in another file, `/etc/hostname`"),
        ("", "which is not followed"),
        (":missing", "no dataset `missing`"),
        (":group", "no dataset `group`"),
    ] {
        let refused = load(dataset).unwrap_err().why;
        assert!(refused.contains(what), "{dataset}: {refused}");
    }
}
