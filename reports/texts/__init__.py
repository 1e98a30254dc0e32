"""The texts of reports and exports, English and Korean, and numbers as text."""
