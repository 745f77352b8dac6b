"""Known vulnerabilities of packages, looked up in a copy of an OSV database (ossf.github.io/osv-schema), offline."""
