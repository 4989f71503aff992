"""What other ways of settling the same question take, and how proofs are measured beside them."""
