"""What the scripts for a deployed stack share. Any Python from 3.9 on that has boto3 can run them."""
