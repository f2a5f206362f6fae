"""The settings of graphite-web, which imports this module instead of its `local_settings`."""

import os
import secrets

FOLDER = os.environ["OBSERVATORY_FOLDER"]

SECRET_KEY = secrets.token_hex()
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
TIME_ZONE = "UTC"

CONF_DIR = STORAGE_DIR = FOLDER
WHISPER_DIR = f"{FOLDER}/whisper"
STANDARD_DIRS = [WHISPER_DIR]
INDEX_FILE = f"{FOLDER}/index"
LOG_DIR = f"{FOLDER}/log"
LOG_ROTATION = False
DATABASES = {"default": {"NAME": f"{FOLDER}/graphite.db", "ENGINE": "django.db.backends.sqlite3"}}

# Debian has the static files somewhere else than graphite-web looks for them: in WEBAPP_DIR, as
# `content`. Without them the dashboards have no style and report an invalid theme.
WEBAPP_DIR = FOLDER

# Values that Carbon has not written yet are asked from it.
CARBONLINK_HOSTS = [f"127.0.0.1:{os.environ['OBSERVATORY_CARBON_QUERY_PORT']}:a"]
CARBONLINK_TIMEOUT = 10.0

# A new series is found, and a new value shown, at once.
FIND_CACHE_DURATION = 0
DEFAULT_CACHE_DURATION = 0
