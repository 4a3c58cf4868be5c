mod damaged;
mod file;
mod show;
mod switching;
