mod damaged;
mod extend;
mod file;
mod show;
mod switching;
