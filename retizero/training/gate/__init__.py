"""What the gate that answers come behind is fitted on, and how often it errs."""
