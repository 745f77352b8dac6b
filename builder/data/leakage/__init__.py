"""What a test set gives away: rows, ids and groups that training has too, features that know the target, time.

two files -- columns --> what is compared -- rows, features --> measures -- held to thresholds --> the report
"""
