"""The schema of a study's database, version by version."""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    # 1: the first version. Facts, runs and histories with their digests.
    """
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL, sha256 TEXT) STRICT;
    CREATE TABLE run (
        key TEXT PRIMARY KEY,
        position INTEGER NOT NULL,
        arm TEXT NOT NULL,
        seed INTEGER NOT NULL,
        specification TEXT NOT NULL,
        status TEXT NOT NULL DEFAULT 'planned',
        epochs_done INTEGER NOT NULL DEFAULT 0,
        steps_done INTEGER NOT NULL DEFAULT 0,
        checkpoint TEXT,
        checkpoint_sha256 TEXT,
        weights_sha256 TEXT,
        predictions_sha256 TEXT,
        epoch INTEGER,
        clean_loss REAL,
        clean_accuracy REAL,
        noisy_loss REAL,
        noisy_accuracy REAL,
        test_loss REAL,
        test_accuracy REAL,
        brier REAL,
        device TEXT,
        error TEXT,
        history_sha256 TEXT,
        sha256 TEXT
    ) STRICT;
    CREATE TABLE history (
        key TEXT NOT NULL REFERENCES run (key),
        epoch INTEGER NOT NULL,
        loss REAL,
        accuracy REAL,
        val_loss REAL,
        val_accuracy REAL,
        clean_loss REAL,
        clean_accuracy REAL,
        seconds REAL NOT NULL,
        PRIMARY KEY (key, epoch)
    ) STRICT, WITHOUT ROWID;
    """,
)
"""Each brings a database from the version before to the next one. Digests are made anew after them."""
