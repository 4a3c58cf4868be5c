mod certify;
mod deep;
mod line;
mod nearest;
mod vanishing;
