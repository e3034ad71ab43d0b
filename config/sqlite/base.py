"""SQLite as Django has it, but for one outdated number.

Django 5.2 counts on 999 parameters a statement and so splits a batch of 100 rows into several INSERTs.
SQLite takes 32,766 since 3.32 (2020): https://www.sqlite.org/limits.html#max_variable_number
"""

from django.db.backends.sqlite3 import base, features


class DatabaseFeatures(features.DatabaseFeatures):
    max_query_params = 32_766


class DatabaseWrapper(base.DatabaseWrapper):
    features_class = DatabaseFeatures
