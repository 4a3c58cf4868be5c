//! One random network: its weights and the products with them.
