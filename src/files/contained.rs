//! Checks that an HDF5 file is self-contained: no external data, and one hard link to each object.
//!
//! HDF5 follows links into other files, reads arrays stored in other files, and allows cycles of groups. The checksum of a file does not
//! cover other files, and a walk through a cycle does not end. Files of this program contain none of these.

use hdf5::plist::dataset_create::Layout;
use hdf5::{Dataset, Group, IndexType, IterationOrder, LinkType};

/// Why a file is refused.
type Why = String;

/// Upper limit of the objects in a results file.
const MOST_OBJECTS: usize = 10_000;

/// Checks the file with this root group. Opens an object only after its link is known to be a hard link.
///
/// # Errors
/// Why the file is not self-contained.
pub fn check_file(root: &Group) -> Result<(), Why> {
    let mut seen = vec![root.loc_info().map_err(|error| error.to_string())?.token];
    let mut groups = vec![(String::new(), root.clone())];
    while let Some((path, group)) = groups.pop() {
        for (name, link) in links(&group)? {
            let path = format!("{path}/{name}");
            check_link(&path, link)?;
            let token = group.loc_info_by_name(&name).map_err(|error| format!("its object `{path}` is damaged: {error}"))?.token;
            if seen.contains(&token) {
                return Err(format!("its link `{path}` is a second name of an object"));
            }
            if seen.len() == MOST_OBJECTS {
                return Err(format!("it has more than {MOST_OBJECTS} objects"));
            }
            seen.push(token);
            if let Ok(dataset) = group.dataset(&name) {
                check_array(&path, &dataset)?;
            } else if let Ok(group) = group.group(&name) {
                groups.push((path, group));
            }
        }
    }
    Ok(())
}

/// Largest array element accepted, number or fixed-length string, in bytes.
const MOST_ELEMENT: usize = 1 << 16;

/// The dataset at `path`, if there is one.
///
/// # Errors
/// It is not reached by hard links alone, or not stored in the file itself.
pub fn dataset(root: &Group, path: &str) -> Result<Option<Dataset>, Why> {
    let (groups, name) = path.trim_matches('/').rsplit_once('/').unwrap_or(("", path.trim_matches('/')));
    let mut group = root.clone();
    for step in groups.split('/').filter(|step| !step.is_empty()) {
        let Some(link) = link(&group, step)? else { return Ok(None) };
        check_link(step, link)?;
        let Ok(next) = group.group(step) else { return Ok(None) };
        group = next;
    }
    let Some(link) = link(&group, name)? else { return Ok(None) };
    check_link(path, link)?;
    let Ok(dataset) = group.dataset(name) else { return Ok(None) };
    check_array(path, &dataset)?;
    let size = dataset.dtype().map_err(|error| format!("its array `{path}` is damaged: {error}"))?.size();
    if size > MOST_ELEMENT {
        return Err(format!("its array `{path}` is damaged: an element has {size} bytes"));
    }
    Ok(Some(dataset))
}

/// The names in the root group.
///
/// # Errors
/// One of them is not a hard link.
pub fn names(root: &Group) -> Result<Vec<String>, Why> {
    let named = |(name, link): (String, LinkType)| check_link(&name, link).map(|()| name);
    links(root)?.into_iter().map(named).collect()
}

fn links(group: &Group) -> Result<Vec<(String, LinkType)>, Why> {
    let links = group.links(IndexType::Name, IterationOrder::Increasing);
    let links = links.map_err(|error| format!("its group `{}` is damaged: {error}", group.name()))?;
    Ok(links.into_iter().map(|(name, link)| (name, link.link_type)).collect())
}

fn link(group: &Group, name: &str) -> Result<Option<LinkType>, Why> {
    Ok(links(group)?.into_iter().find(|(other, _)| other == name).map(|(_, link)| link))
}

fn check_link(path: &str, link: LinkType) -> Result<(), Why> {
    match link {
        LinkType::Hard => Ok(()),
        LinkType::Soft => Err(format!("its `{path}` is a soft link, which is not followed")),
        LinkType::External => Err(format!("its `{path}` is a link into another file, which is not followed")),
    }
}

/// Refuses a virtual dataset and external storage, without opening another file.
fn check_array(path: &str, dataset: &Dataset) -> Result<(), Why> {
    let damaged = |error: hdf5::Error| format!("its array `{path}` is damaged: {error}");
    let properties = dataset.create_plist().map_err(damaged)?;
    if properties.get_layout().map_err(damaged)? == Layout::Virtual {
        return Err(format!("its array `{path}` is a virtual dataset, which is not read"));
    }
    match properties.get_external().map_err(damaged)?.first() {
        Some(file) => Err(format!("its array `{path}` is stored in another file, `{}`, which is not read", file.name)),
        None => Ok(()),
    }
}
