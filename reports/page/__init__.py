"""The report and the page of blind pairs, as HTML."""
