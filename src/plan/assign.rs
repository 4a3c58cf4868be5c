//! Units → ranks.
