mod deep;
mod line;
