mod deep;
mod line;
mod vanishing;
