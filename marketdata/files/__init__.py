"""Files of bars, in and out: CSV and Parquet; what is wrong and what would change is told first."""
