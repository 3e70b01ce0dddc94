"""`record` lives in the package; the benchmarks find it under its old name as well."""

from ssl_course.recorded import record

__all__ = ["record"]
