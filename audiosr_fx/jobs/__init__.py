"""The queue that every front door hands its work to: requests, the store, workers, and publishing."""
